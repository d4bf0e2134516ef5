# Included by CMake right after llama.cpp's own project() call (CMAKE_PROJECT_<NAME>_INCLUDE).
# The Python bindings switch on a library of command-line helpers that they never load; it is half of the build time.
set(LLAMA_BUILD_COMMON OFF CACHE BOOL "no command-line helpers" FORCE)
# x86-64-v3 (AVX2, FMA, F16C) rather than "this very machine": the same files and speed class on every node of a cluster, and no AMX
# kernels, which end Q8_0 with a segmentation fault where a virtual machine shows AMX (llama-cpp-python 0.3.36, Sapphire Rapids)
set(GGML_NATIVE OFF CACHE BOOL "not for this machine only" FORCE)
