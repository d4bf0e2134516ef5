"""Errors that are shown to the user as one clear message instead of a traceback."""


class KishiError(Exception):
    """Something that the user can mend. `what` went wrong, `where`, and what to do (`fix`).

    `python -m recipes.run` prints it and ends with `exit_code`: 2 for a wrong recipe or command line, 1 for all else.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: object = "", fix: str = "") -> None:
        self.what, self.where, self.fix = what, str(where), fix
        super().__init__(self.message())

    def message(self) -> str:
        """The parts on one to three lines."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  -> {self.fix}" if self.fix else head


class RecipeError(KishiError):
    """One or more faults in a recipe, an overlay or on the command line."""

    exit_code = 2


class ArtefactError(KishiError):
    """An artefact is missing, incomplete, damaged or does not belong to the others."""


class ParityError(KishiError):
    """Two forms of one model (or tokenizer) that must agree do not."""


class DataError(KishiError):
    """Input data that a stage cannot go on with."""
