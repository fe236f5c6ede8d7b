"""The chart's part of the isolation probe: the operator listens, and nothing on its own side stops who comes."""

from test_chart import by_kind, rendered


def test_the_operator_listens_at_its_own_address():
    documents = rendered()
    pod = by_kind(documents, "Deployment")["sandgate-operator"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "--probe-listen=0.0.0.0:8082" in container["args"]
    assert {"name": "probe", "containerPort": 8082} in container["ports"]
    assert {
        "name": "POD_IP",
        "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
    } in container["env"]


def test_everybody_may_arrive_there():
    """A rule with `from` would make a network without enforcement look like one that enforces."""
    ingress = by_kind(rendered(), "NetworkPolicy")["sandgate-operator"]["spec"]["ingress"]
    assert {"ports": [{"port": 8082}]} in ingress
    narrow = rendered("--set", "networkPolicy.metricsFrom[0].ipBlock.cidr=192.0.2.1/32")
    ingress = by_kind(narrow, "NetworkPolicy")["sandgate-operator"]["spec"]["ingress"]
    assert {"ports": [{"port": 8082}]} in ingress
