"""Code that tries to get at the grant, the key or another way out: held by what programs in
attacks/ print, which are the same inside gVisor."""

import pathlib

import pytest

from runner import Runner

HERE = pathlib.Path(__file__).resolve().parent
PRELUDE = (HERE.parent / "e2e" / "attacks" / "prelude.py").read_text()


@pytest.fixture(scope="module")
def runner(world):
    running = Runner(world)
    yield running
    running.close()


def attack(runner, name, network=None):
    run = runner.run(PRELUDE + (HERE / "attacks" / name).read_text(), "python", network)
    broken = [line for line in run.out.splitlines() if line.startswith("BROKEN")]
    assert not broken and run.exit_code == 0, "\n".join(broken) or run
    return run


def test_nothing_but_the_two_doors(proxy, runner):
    run = attack(runner, "way_out.py", runner.network(proxy.port))
    assert run.out.count("HELD") > 60, run
    attack(runner, "after_network.py")
    # The next one finds its doors free again.
    attack(runner, "way_out.py", runner.network(proxy.port))
