"""The tree is RFC 6962's, and a proof has exactly the hashes that it needs."""

import base64
import json
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lottery.tree import HASH_BYTES, Node, Tree, proof_nodes
from lottery.verify_draw import _root

LEAVES = st.lists(st.binary(max_size=8), max_size=70)


def defined_root(leaves: list[bytes]) -> bytes:
    """The Merkle tree hash as RFC 6962, 2.1, defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + defined_root(leaves[:k]) + defined_root(leaves[k:])).digest()


class TestTree:
    @given(LEAVES)
    def test_has_the_root_that_the_rfc_defines(self, leaves: list[bytes]) -> None:
        assert Tree.of(leaves).root == defined_root(leaves)

    @pytest.mark.parametrize(
        ("size", "root"),
        [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ],
    )
    def test_has_the_published_roots_of_certificate_transparency(self, size: int, root: str) -> None:
        texts = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
        assert Tree.of([bytes.fromhex(text) for text in texts[:size]]).root.hex() == root

    @given(LEAVES)
    def test_holds_at_each_node_the_root_of_the_leaves_that_it_covers(self, leaves: list[bytes]) -> None:
        tree = Tree.of(leaves)
        for level, hashes in enumerate(tree.levels):
            for index in range(len(hashes) // HASH_BYTES):
                covered = leaves[index << level : (index + 1) << level]
                assert tree.hash_of(Node(level, index)) == defined_root(covered)


class TestProofNodes:
    @given(LEAVES.filter(len), st.data())
    def test_gives_the_root_with_the_leaves_and_nothing_too_much(
        self, leaves: list[bytes], data: st.DataObject
    ) -> None:
        shown = sorted(data.draw(st.sets(st.integers(0, len(leaves) - 1), min_size=1)))
        tree = Tree.of(leaves)
        given_hashes = iter([tree.hash_of(node).hex() for node in proof_nodes(shown, len(leaves))])
        hashes = {position: sha256(b"\x00" + leaves[position]).digest() for position in shown}
        assert _root(shown, hashes, (0, len(leaves)), given_hashes) == tree.root
        assert list(given_hashes) == []

    def test_needs_nothing_when_every_leaf_is_shown(self) -> None:
        assert proof_nodes(range(13), 13) == []
        assert proof_nodes([], 0) == []

    @pytest.mark.parametrize("case", ["0", "1", "2"])
    def test_agrees_with_the_recorded_inclusion_proofs(self, shared_data: Path, case: str) -> None:
        """Theirs go from the leaf upwards, ours from left to right: the same hashes in another order."""
        folder = shared_data / "crypto" / "merkle" / "inclusion" / case
        for path in sorted(folder.glob("*.json")):
            paper = json.loads(path.read_text())
            position, size = paper["leafIdx"], paper["treeSize"]
            upwards = [base64.b64decode(text) for text in paper["proof"] or []]
            assert accepted(position, size, upwards, paper) is not paper["wantErr"], path.name


def accepted(position: int, size: int, upwards: list[bytes], paper: dict[str, str]) -> bool:
    if not 0 <= position < size:
        return False
    nodes = proof_nodes([position], size)
    from_the_leaf = sorted(nodes, key=lambda node: min(node.level, 64))
    if len(nodes) != len(upwards):
        return False
    ordered = dict(zip(from_the_leaf, upwards, strict=True))
    hashes = {position: base64.b64decode(paper["leafHash"])}
    root = _root([position], hashes, (0, size), iter([ordered[node].hex() for node in nodes]))
    return root == base64.b64decode(paper["root"] or "")
