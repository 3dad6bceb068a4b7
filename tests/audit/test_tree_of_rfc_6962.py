"""The tree and its proofs against published values, and against the RFC's recursive definition written down naively."""

from hashlib import sha256

import pytest

from audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofRefused,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

# The eight reference leaves of Certificate Transparency and the roots of the trees they grow.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATH_OF_FIRST_OF_EIGHT = [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
]
SIZES = range(1, 41)


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(2, "big")) for number in range(count)]


def naive_root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def subtree(level: int, place: int) -> bytes:
    return naive_root(hashes(64)[place << level : (place + 1) << level])


def test_the_reference_leaves_grow_the_published_roots() -> None:
    tree = Frontier()
    assert tree.root() == EMPTY_ROOT == sha256(b"").digest()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.append(leaf_hash(leaf))
        assert tree.root().hex() == root


def test_the_published_path_leads_from_the_first_of_eight_leaves_to_the_root() -> None:
    leaves = [leaf_hash(leaf) for leaf in LEAVES]

    def of_reference(level: int, place: int) -> bytes:
        return naive_root(leaves[place << level : (place + 1) << level])

    assert [step.hex() for step in inclusion_proof(0, 8, of_reference)] == PATH_OF_FIRST_OF_EIGHT
    verify_inclusion(
        leaves[0], 0, 8, [bytes.fromhex(h) for h in PATH_OF_FIRST_OF_EIGHT], bytes.fromhex(ROOTS[7])
    )


def test_the_growing_edge_has_the_root_of_the_recursive_definition_and_names_what_it_completed() -> None:
    tree, completed = Frontier(), {}
    for size in SIZES:
        for level, place, root in tree.append(hashes(size)[-1]):
            completed[level, place] = root
        assert tree.root() == naive_root(hashes(size))
        assert Frontier(size, tree.hashes).root() == tree.root()
    assert completed == {
        (level, place): subtree(level, place) for level in range(1, 6) for place in range(40 >> level)
    }


def test_every_leaf_proves_that_it_is_in_the_tree_and_nowhere_else() -> None:
    for size in SIZES:
        leaves, root = hashes(size), naive_root(hashes(size))
        for index in range(size):
            proof = inclusion_proof(index, size, subtree)
            verify_inclusion(leaves[index], index, size, proof, root)
            for wrong in (index - 1, index + 1):
                with pytest.raises(ProofRefused):
                    verify_inclusion(leaves[index], wrong, size, proof, root)


def test_every_tree_proves_that_it_continues_every_shorter_one() -> None:
    for new in SIZES:
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, subtree)
            verify_consistency(old, naive_root(hashes(old)), new, naive_root(hashes(new)), proof)


@pytest.mark.parametrize("spoil", ["flip", "drop", "add", "swap roots", "empty"])
def test_a_spoiled_proof_is_refused(spoil: str) -> None:
    for old, new in [(1, 2), (3, 7), (4, 8), (6, 8), (13, 40)]:
        before, after = naive_root(hashes(old)), naive_root(hashes(new))
        proof = consistency_proof(old, new, subtree)
        if spoil == "flip":
            proof[-1] = bytes([proof[-1][0] ^ 16]) + proof[-1][1:]
        elif spoil == "drop":
            proof = proof[:-1]
        elif spoil == "add":
            proof = [*proof, before]
        elif spoil == "swap roots":
            before, after = after, before
        else:
            proof = []
        with pytest.raises(ProofRefused):
            verify_consistency(old, before, new, after, proof)


def test_two_trees_of_one_size_with_different_roots_are_a_fork() -> None:
    with pytest.raises(ProofRefused):
        verify_consistency(8, naive_root(hashes(8)), 8, naive_root(hashes(9)[1:]), [])


def test_a_tree_does_not_shrink() -> None:
    with pytest.raises(ProofRefused):
        verify_consistency(8, naive_root(hashes(8)), 7, naive_root(hashes(7)), [])
    with pytest.raises(ValueError, match="shrink"):
        consistency_proof(8, 7, subtree)
