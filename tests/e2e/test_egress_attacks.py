"""Code with network that looks for the grant, the key and other ways out: the programs of
tests/egress/attacks, inside of gVisor."""

import pathlib

import pytest
from test_egress import DOMAINS, NETWORK, world  # noqa: F401 (a fixture)

HERE = pathlib.Path(__file__).resolve().parent
PRELUDE = (HERE / "attacks" / "prelude.py").read_text()
ATTACKS = HERE.parent / "egress" / "attacks"
# One after the other in one sandbox; the last finds its doors free again.
STEPS = [("way_out.py", DOMAINS), ("after_network.py", None), ("way_out.py", DOMAINS)]


@pytest.fixture(scope="module")
def box(tenant, world):  # noqa: F811
    return tenant.new_box("python", network=NETWORK)


def test_nothing_but_the_two_doors(box):
    for name, domains in STEPS:
        run = box.run(PRELUDE + (ATTACKS / name).read_text(), domains=domains, timeout=60)
        broken = [line for line in run.stdout.splitlines() if line.startswith("BROKEN")]
        assert not broken and run.phase == "Succeeded", "\n".join(broken) or run
        assert "HELD" in run.stdout


def test_every_program_of_the_folder_is_a_step():
    assert {name for name, _ in STEPS} == {path.name for path in ATTACKS.iterdir()}
