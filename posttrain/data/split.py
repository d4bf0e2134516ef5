"""Which examples are held out, and how often each is seen.

Examples that must not part form a group: those that a source or a maker ties (one sentence in six directions, a good answer and its
spoilt copy), and those that ask the same. A group is on one side of the split, whatever the kinds of its examples.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

import xxhash

from kishi.draws import draw
from kishi.words import words_of
from posttrain.data.example import Example, question_of

KINDS = ("sft", "preference", "tools")


class Groups:
    """Union of names that belong together."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        """The name that stands for the whole group: the smallest, whatever the order in which it was built."""
        parent = self._parent.setdefault(name, name)
        while parent != self._parent[parent]:
            self._parent[name] = parent = self._parent[parent]
        return parent

    def join(self, one: str, other: str) -> None:
        """Both groups become one."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parent[second] = first


def heldout_groups(examples: Iterable[Example], share: float, seed: int) -> tuple[Groups, set[str]]:
    """(groups, names of those held out): of each kind's groups `share`, spread evenly over languages and tasks; at least one of two.

    A group that holds several kinds is drawn once, with the first of them.
    """
    groups = Groups()
    members: dict[str, dict[str, set[str]]] = {kind: defaultdict(set) for kind in KINDS}
    for example in examples:
        groups.join(example["group"], question_key(example))
        members[example["kind"]][example["group"]].add(f"{example['lang']}-{example['task']}")
    heldout: set[str] = set()
    decided: set[str] = set()
    for kind in KINDS:
        strata: dict[str, set[str]] = defaultdict(set)
        for group, seen in members[kind].items():
            strata[groups.find(group)] |= seen
        new = {group: seen for group, seen in strata.items() if group not in decided}
        already = sum(group in heldout for group in strata)
        heldout |= _drawn(new, share, seed, already, len(strata))
        decided |= set(strata)
    return groups, heldout


def question_key(example: Example) -> str:
    """The same for examples whose first question has the same words."""
    return f"?{xxhash.xxh64_hexdigest(' '.join(words_of(question_of(example))).encode())}"


def _drawn(strata: dict[str, set[str]], share: float, seed: int, already: int, total: int) -> set[str]:
    """Every so-manieth group in the order of what it holds and, within that, of its draw."""
    if not share or total < 2:
        return set()
    wanted = min(total - 1, max(1, round(total * share))) - already
    order = sorted(strata, key=lambda group: (sorted(strata[group]), draw(group, seed)))
    wanted = max(0, min(wanted, len(order)))
    return {order[(place * len(order) + len(order) // 2) // wanted] for place in range(wanted)} if wanted else set()


def repetitions(name: str, weight: float, seed: int) -> int:
    """How often an example of this weight stands in the training file: 2.5 is twice or three times, 0.3 once or not at all."""
    whole = math.floor(weight)
    return whole + (draw(name, seed + 1) < weight - whole)
