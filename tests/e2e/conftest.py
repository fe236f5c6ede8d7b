"""Fixtures: the cluster of this run, and a namespace with its people for each file of tests."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness.cluster import Cluster  # noqa: E402
from harness.tenant import Tenant  # noqa: E402


def pytest_collection_modifyitems(items):
    """Last comes what kills the cluster's own parts."""
    items.sort(key=lambda item: item.path.name == "test_cluster.py")


@pytest.fixture(scope="session")
def cluster():
    return Cluster()


@pytest.fixture(scope="module")
def tenant(cluster, request):
    """A namespace of this file's own. Alice approves whatever its agents ask, as long as a test
    does not say otherwise with tenant.approver.silent() or .denying()."""
    made = Tenant(cluster, request.module.__name__.removeprefix("test_").replace("_", "-"))
    yield made
    made.close()


@pytest.fixture
def agent(tenant):
    return tenant.agent


@pytest.fixture
def second_agent(tenant):
    return tenant.second_agent


@pytest.fixture
def alice(tenant):
    return tenant.alice


@pytest.fixture
def bob(tenant):
    return tenant.bob


@pytest.fixture
def python_box(tenant):
    return tenant.box("python")


@pytest.fixture
def node_box(tenant):
    return tenant.box("javascript")


@pytest.fixture
def shell_box(tenant):
    return tenant.box("shell")
