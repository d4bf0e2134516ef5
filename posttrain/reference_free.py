"""DPO without a reference model: the option `reference_free` of the paper's own code, which TRL 1.16 has not."""

from typing import Any

from trl import DPOTrainer


class ReferenceFree(DPOTrainer):
    """With `precompute_ref_log_probs`, TRL reads the reference's log-probabilities from two columns and keeps no model: they are 0 here."""

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        zeros = [0.0] * len(dataset)
        return dataset.add_column("ref_chosen_logps", zeros).add_column("ref_rejected_logps", zeros)
