"""One namespace and one set of certificates for all tests of the egress proxy."""

import os

import pytest

import netns
from world import World


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("not root: the tests need a network namespace of their own, with port 443")
    with netns.fresh():
        made = World(tmp_path_factory.mktemp("egress"))
        yield made
        made.close()


@pytest.fixture(scope="session")
def proxy(world):
    """A proxy with everything as it is by default, shared by the tests that do not change it."""
    with world.proxy() as running:
        yield running
