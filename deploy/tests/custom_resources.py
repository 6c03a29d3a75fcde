"""Schemas of our own for the custom resources that we render, from their projects' API references.

They know the keys that we use and no other, so that a misspelt one is seen; Kubernetes' own validator has none of them.
"""

DURATION = {"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"}
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
METADATA = {
    "type": "object", "required": ["name"], "additionalProperties": False,
    "properties": {"name": {"type": "string", "maxLength": 63}, "namespace": {"type": "string"}, "labels": LABELS,
                   "annotations": LABELS},
}


def closed(properties, *required):
    """A mapping with these keys alone."""
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


def resource(version, kind, spec):
    """An object of the cluster."""
    return closed({"apiVersion": {"const": version}, "kind": {"const": kind}, "metadata": METADATA, "spec": spec},
                  "apiVersion", "kind", "metadata", "spec")


ENDPOINTS = {"type": "array", "minItems": 1, "items": closed(
    {"port": {"type": "string"}, "path": {"type": "string", "pattern": "^/"}, "interval": DURATION,
     "scrapeTimeout": DURATION}, "port")}
SELECTOR = closed({"matchLabels": {**LABELS, "minProperties": 1}}, "matchLabels")
RULE = {"oneOf": [
    closed({"record": {"type": "string"}, "expr": {"type": "string"}, "labels": LABELS}, "record", "expr"),
    closed({"alert": {"type": "string"}, "expr": {"type": "string"}, "for": DURATION, "labels": LABELS,
            "annotations": LABELS}, "alert", "expr", "labels", "annotations"),
]}
GROUP = closed({"name": {"type": "string"}, "interval": DURATION, "rules": {"type": "array", "minItems": 1, "items": RULE}},
               "name", "rules")
TRIGGER = closed(
    {"type": {"const": "prometheus"}, "name": {"type": "string"}, "metricType": {"enum": ["AverageValue", "Value"]},
     "metadata": closed({"serverAddress": {"type": "string", "pattern": "^https?://"}, "query": {"type": "string"},
                         "threshold": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}},
                        "serverAddress", "query", "threshold")},
    "type", "metadata")
COUNT = {"type": "integer", "minimum": 1}

OPERATOR = "monitoring.coreos.com/v1"
KEDA = "keda.sh/v1alpha1"
SCHEMAS = {
    OPERATOR: {
        "ServiceMonitor": resource(OPERATOR, "ServiceMonitor",
                                   closed({"selector": SELECTOR, "endpoints": ENDPOINTS}, "selector", "endpoints")),
        "PodMonitor": resource(OPERATOR, "PodMonitor",
                               closed({"selector": SELECTOR, "podMetricsEndpoints": ENDPOINTS}, "selector",
                                      "podMetricsEndpoints")),
        "PrometheusRule": resource(OPERATOR, "PrometheusRule",
                                   closed({"groups": {"type": "array", "minItems": 1, "items": GROUP}}, "groups")),
    },
    KEDA: {
        "ScaledObject": resource(KEDA, "ScaledObject", closed(
            {"scaleTargetRef": closed({"apiVersion": {"type": "string"}, "kind": {"type": "string"},
                                       "name": {"type": "string"}}, "name"),
             "minReplicaCount": COUNT, "maxReplicaCount": COUNT, "pollingInterval": COUNT, "cooldownPeriod": COUNT,
             "fallback": closed({"failureThreshold": COUNT, "replicas": COUNT}, "failureThreshold", "replicas"),
             "triggers": {"type": "array", "minItems": 1, "items": TRIGGER}}, "scaleTargetRef", "triggers")),
    },
}
