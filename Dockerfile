# Kishi on NVIDIA's NeMo Framework image, which brings torch, CUDA, NCCL, Transformer Engine and apex. Added from the lock files: the rest.
#   docker build -t kishi .
#   docker run --rm -it --gpus all --ipc=host --user "$(id -u):$(id -g)" -v "$PWD/runs:/kishi/runs" kishi make doctor demo
# On a cluster: enroot import dockerd://kishi, then CONTAINER=... in slurm/cluster.env (docs/slurm.md).
#
# Tag: 26.08 is the image of "NeMo Framework 26.08", the release of Megatron-Bridge 0.6
# (https://github.com/NVIDIA-NeMo/Megatron-Bridge/releases/tag/v0.6.0); requirements/bridge.txt installs 0.6.2 before it on the path.
FROM nvcr.io/nvidia/nemo:26.08

# The environment first: it changes less often than the code
ENV KISHI_VENV=/opt/kishi
WORKDIR /kishi
COPY requirements/ requirements/
RUN requirements/setup.sh

COPY . .
# Any user may run it: nothing is written outside of runs/ (mount it) and HOME
RUN ln -sfn "$KISHI_VENV" .venv && mkdir -p runs && chmod a+rwx runs && chmod -R a+rX /kishi "$KISHI_VENV"
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1
CMD ["make", "help"]
