"""Who may talk to the API server: kubeconfigs and static-token users."""

import json
import os
import pathlib
import secrets

# The people of tests and demo. Tokens are random for every cluster.
USERS = {
    "alice": ["sandgate-approvers"],
    "bob": ["sandgate-approvers"],
    "carol": ["sandgate-viewers"],
}


def _write_private(path, text):
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.rename(path)


def write_kubeconfig(path, server, ca_crt, user, credentials):
    """`credentials` is {"token": ...} or {"client-certificate": path, "client-key": path}."""
    _write_private(path, json.dumps({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "sandgate", "cluster": {
            "server": server, "certificate-authority": str(ca_crt)}}],
        "users": [{"name": user, "user": {k: str(v) for k, v in credentials.items()}}],
        "contexts": [{"name": "sandgate", "context": {"cluster": "sandgate", "user": user}}],
        "current-context": "sandgate",
    }, indent=1))


def write_tokens(directory):
    """Makes tokens.csv for the API server and NAME.token for each user, once. Returns the csv."""
    directory = pathlib.Path(directory)
    table = directory / "tokens.csv"
    if table.exists():
        return table
    lines = []
    for user, groups in USERS.items():
        token = secrets.token_urlsafe(32)
        _write_private(directory / f"{user}.token", token)
        lines.append(f'{token},{user},uid-{user},"{",".join(groups)}"\n')
    _write_private(table, "".join(lines))
    return table


def write_user_kubeconfigs(directory, server, ca_crt):
    """NAME.kubeconfig for each static-token user; tests and the demo act as them."""
    directory = pathlib.Path(directory)
    for user in USERS:
        token = (directory / f"{user}.token").read_text()
        write_kubeconfig(directory / f"{user}.kubeconfig", server, ca_crt, user, {"token": token})
