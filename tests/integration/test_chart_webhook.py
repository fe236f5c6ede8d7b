"""The chart's part of the approvers' webhook: what it renders, and that it holds no secret."""

import pytest
from test_chart import by_kind, helm, rendered

ON = "approvals.webhook.enabled=true"


def pod_of(documents):
    return by_kind(documents, "Deployment")["sandgate-operator"]["spec"]["template"]["spec"]


def egress_of(documents):
    return by_kind(documents, "NetworkPolicy")["sandgate-operator"]["spec"]["egress"]


def test_it_is_off_by_default():
    documents = rendered()
    assert "webhook" not in str(pod_of(documents))
    assert not [rule for rule in egress_of(documents) if {"port": 53, "protocol": "UDP"} in rule["ports"]]


def test_the_secret_is_mounted_and_never_made():
    documents = rendered("--set", ON)
    assert not by_kind(documents, "Secret")
    pod = pod_of(documents)
    (volume,) = [one for one in pod["volumes"] if one["name"] == "webhook"]
    assert volume["secret"] == {
        "secretName": "sandgate-webhook",
        "defaultMode": 0o440,
        "optional": True,
        "items": [{"key": "url", "path": "url"}, {"key": "key", "path": "key"}],
    }
    (container,) = pod["containers"]
    assert {"name": "webhook", "mountPath": "/etc/sandgate/webhook", "readOnly": True} in container[
        "volumeMounts"
    ]
    assert "--webhook-config=/etc/sandgate/webhook" in container["args"]
    assert "--webhook-code=false" in container["args"]
    assert "--webhook-insecure=false" in container["args"]
    assert "webhook" not in str(container["env"])


def test_names_and_switches_of_the_deployment():
    pod = pod_of(
        rendered(
            "--set",
            ON + ",approvals.webhook.secretName=mine,"
            "approvals.webhook.hmacKey=h.mac,approvals.webhook.caKey=ca.crt,"
            "approvals.webhook.includeCode=true,approvals.webhook.includeOutcomes=false",
            "--set-string",
            "approvals.webhook.urlKey=1",
        )
    )
    (volume,) = [one for one in pod["volumes"] if one["name"] == "webhook"]
    assert volume["secret"]["secretName"] == "mine"
    assert volume["secret"]["items"] == [
        {"key": "1", "path": "url"},
        {"key": "h.mac", "path": "key"},
        {"key": "ca.crt", "path": "ca.crt"},
    ]
    arguments = pod["containers"][0]["args"]
    assert "--webhook-code=true" in arguments and "--webhook-outcomes=false" in arguments


def test_egress_opens_to_the_receiver_alone():
    plain = egress_of(rendered())
    rules = egress_of(
        rendered(
            "--set",
            ON + ",networkPolicy.webhookPorts={8443},networkPolicy.webhookTo[0].ipBlock.cidr=192.0.2.1/32",
        )
    )
    assert [rule for rule in rules if rule not in plain] == [
        {"ports": [{"port": 8443}], "to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]},
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
    ]


@pytest.mark.parametrize(
    "setting,word",
    [
        ("approvals.webhook.url=https://hooks.example.com/x", "url"),
        ("approvals.webhook.key=secret", "key"),
        ("approvals.webhook.secretName=", "secretName"),
        ("approvals.webhook.secretName=Not_A_Name", "secretName"),
        ("approvals.webhook.urlKey=../x", "urlKey"),
        ("approvals.webhook.caKey=a b", "caKey"),
        ("approvals.webhook.includeCode=perhaps", "includeCode"),
        ("networkPolicy.webhookPorts={}", "webhookPorts"),
        ("networkPolicy.webhookPorts={0}", "webhookPorts"),
    ],
)
def test_a_wrong_value_is_named(setting, word):
    code, _, problem = helm("--set", setting)
    assert code != 0 and word in problem, problem
