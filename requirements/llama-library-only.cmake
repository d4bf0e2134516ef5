# Included by CMake right after llama.cpp's own project() call (CMAKE_PROJECT_<NAME>_INCLUDE).
# The Python bindings switch on a library of command-line helpers that they never load; it is half of the build time.
set(LLAMA_BUILD_COMMON OFF CACHE BOOL "no command-line helpers" FORCE)
