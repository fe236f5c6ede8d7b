"""Real packages from the registries that this machine itself uses, where it has any.

dev/cluster install finds them and puts them into the deployment's policy; nothing of them is written here."""

import pytest
import yaml

INSTALL_SECONDS = 300
NETWORK = {"enabled": True}
REAL = {
    "pypi": ("python", "requests==2.31.0", "requests", "2.31.0", "sha256:",
             "import requests; print(requests.__version__)", "2.31.0\n"),
    "npm": ("javascript", "axios@1.6.0", "axios", "1.6.0", "sha512-",
            "const axios = require('axios'); console.log(axios.VERSION)", "1.6.0\n"),
}


@pytest.mark.parametrize("registry", REAL)
def test_a_real_package_is_installed_and_used(cluster, tenant, registry):
    network = yaml.safe_load(cluster.policy())["security"]["sandbox"].get("network", {})
    if not network.get("allowed_registries", {}).get(registry):
        pytest.skip(f"no {registry} registry that this machine is configured for answers")
    language, package, name, version, kind, code, prints = REAL[registry]
    box = tenant.new_box(language, network=NETWORK)
    run = box.start_operation("InstallPackage", {"package": package, "registry": registry},
                              timeout=INSTALL_SECONDS).finish()
    assert run.phase == "Succeeded", run
    brought = {one["name"]: one for one in run.status["packages"]}
    assert len(brought) > 1, run  # it needs others
    assert brought[name]["version"] == version and brought[name]["hash"].startswith(kind), run
    used = box.run(code)
    assert used.stdout == prints, used
    box.delete()
