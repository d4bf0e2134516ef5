"""From raw sources to a corpus per phase and language, and from that to Megatron indexes."""

import os

from loguru import logger

os.environ.setdefault("TQDM_DISABLE", "1")  # before datatrove imports tqdm: the stage shows its own progress
if "SLURM_ARRAY_TASK_ID" not in os.environ:
    logger.disable("datatrove")  # here, so that every process of a pool has it; a Slurm task has only its log to speak
