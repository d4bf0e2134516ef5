"""One stage's folder on disk: worked on as `<name>.partial`, renamed to `<name>` when its manifest is in it.

A killed stage leaves its `.partial` folder; started again with the same fingerprint it goes on from there, otherwise the leftover is
discarded. The old finished folder is only replaced once the new one is complete.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kishi import manifest
from kishi.errors import ArtefactError

HISTORY = "history"  # beside the stages' folders: manifests of what was made again since, for comparisons over time


@dataclass(frozen=True)
class StageFolder:
    """The places of one stage below `runs/<recipe>/`."""

    final: Path

    @property
    def partial(self) -> Path:
        """Where the stage writes."""
        return self.final.with_name(self.final.name + ".partial")

    @property
    def _replaced(self) -> Path:
        return self.final.with_name(self.final.name + ".replaced")

    def recover(self) -> None:
        """Finish a promotion that was interrupted between its two renames."""
        if (self.partial / manifest.FILE_NAME).is_file():
            self.promote()
        elif self._replaced.exists() and not self.final.exists():
            self._replaced.rename(self.final)
        shutil.rmtree(self._replaced, ignore_errors=True)

    def begin(self, fingerprint: str) -> bool:
        """Make the partial folder ready; True when work of an earlier attempt with the same fingerprint is kept."""
        note = self.partial / ".fingerprint"
        if note.is_file() and note.read_text() == fingerprint:
            return True
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir(parents=True)
        note.write_text(fingerprint)
        return False

    def promote(self) -> None:
        """Put the complete partial folder in the place of the final one."""
        if self.final.exists():
            self._keep_manifest()
            shutil.rmtree(self._replaced, ignore_errors=True)
            self.final.rename(self._replaced)
        self.partial.rename(self.final)
        shutil.rmtree(self._replaced, ignore_errors=True)

    def _keep_manifest(self) -> None:
        """Copy the old folder's manifest to `history/<stage>-<when it started>.json`; one that cannot be read has nothing to say."""
        with suppress(ArtefactError):
            started = manifest.read(self.final).started.replace(":", "")
            kept = self.final.parent / HISTORY / f"{self.final.name}-{started}.json"
            kept.parent.mkdir(exist_ok=True)
            shutil.copyfile(self.final / manifest.FILE_NAME, kept)


def remove_at_once(folder: Path) -> None:
    """Remove a stage's own work folder: a kill leaves it whole or not at all, never half of it where it would be looked for."""
    discard = folder.with_name(".discard")
    shutil.rmtree(discard, ignore_errors=True)  # of an attempt that was killed in the middle of this
    folder.rename(discard)
    shutil.rmtree(discard)
