"""Saved queries of Logs Insights for diagnosis: of the function's log, the access log and the containers' log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.alarms.metrics import CRASH_TERMS
from stacks.constructs.template_metadata import keep_logical_id
from stacks.environment import Environment

_FUNCTION = "function"
_ACCESS = "access"
_ENDPOINT = "endpoint"


@dataclass(frozen=True, kw_only=True)
class SavedQuery:
    """One query: its name, the logs that it reads, and the query itself. Fields are those that the logs write."""

    construct_id: str
    name: str
    reads: tuple[str, ...]
    query: logs.QueryString


QUERIES = (
    SavedQuery(
        construct_id="Failures",
        name="failed requests by cause",
        reads=(_FUNCTION,),
        query=logs.QueryString(
            # The records of metrics in the same log have a result too, and no id.
            filter_statements=["ispresent(request_id) and result != 'success'"],
            stats_statements=["count(*) as requests by result, error_name"],
            sort="requests desc",
        ),
    ),
    SavedQuery(
        construct_id="Slowest",
        name="slowest requests",
        reads=(_FUNCTION,),
        query=logs.QueryString(
            fields=[
                "@timestamp",
                "request_id",
                "source",
                "variant",
                "size",
                "steps",
                "samples",
                "model_seconds",
            ],
            filter_statements=["ispresent(model_seconds)"],
            sort="model_seconds desc",
            limit=20,
        ),
    ),
    SavedQuery(
        construct_id="BySize",
        name="images, seconds and cost by size and variant",
        reads=(_FUNCTION,),
        query=logs.QueryString(
            filter_statements=["ispresent(model_seconds)"],
            # Images that the filter held back were drawn and paid for, too.
            stats_statements=[
                "sum(samples) as images, avg(seconds_per_image) as seconds, sum(cost_usd) as usd by size, variant"
            ],
            sort="images desc",
        ),
    ),
    SavedQuery(
        construct_id="CostByDay",
        name="images and cost by day",
        reads=(_FUNCTION,),
        query=logs.QueryString(
            filter_statements=["ispresent(model_seconds)"],
            stats_statements=["sum(samples) as images, sum(cost_usd) as usd by bin(1d)"],
        ),
    ),
    SavedQuery(
        construct_id="OneRequest",
        name="one request by its id",
        reads=(_FUNCTION, _ACCESS),
        query=logs.QueryString(
            fields=[
                "@timestamp",
                "@log",
                "message",
                "level",
                "result",
                "error_name",
                "status",
                "errorType",
                "integrationLatency",
            ],
            # Both logs have the id that the API answered as X-Request-Id.
            filter_statements=["request_id = 'PUT-THE-ID-HERE' or requestId = 'PUT-THE-ID-HERE'"],
            sort="@timestamp",
        ),
    ),
    SavedQuery(
        construct_id="Refused",
        name="requests that the gateway refused",
        reads=(_ACCESS,),
        query=logs.QueryString(
            filter_statements=["ispresent(errorType) and errorType != '-'"],
            stats_statements=["count(*) as requests by httpMethod, errorType, status"],
            sort="requests desc",
        ),
    ),
    SavedQuery(
        construct_id="Crashes",
        name="crashes of the model's containers",
        reads=(_ENDPOINT,),
        query=logs.QueryString(
            fields=["@timestamp", "@logStream", "@message"],
            filter_statements=[f"@message like /{'|'.join(CRASH_TERMS)}/"],
            sort="@timestamp desc",
        ),
    ),
)


class SavedQueries(Construct):
    """The queries of one environment, in a folder of its name: those of which the environment has the logs."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(scope, construct_id)
        groups = {
            log: logs.LogGroup.from_log_group_name(self, f"{log}-log", name)
            for log, name in _log_groups(environment).items()
        }
        for query in QUERIES:
            if groups.keys() >= set(query.reads):
                definition = logs.QueryDefinition(
                    self,
                    query.construct_id,
                    query_definition_name=f"sdxl-{environment.name}/{query.name}",
                    query_string=query.query,
                    log_groups=[groups[log] for log in query.reads],
                )
                keep_logical_id(definition)


def _log_groups(environment: Environment) -> Mapping[str, str]:
    """Names of the environment's log groups, by what writes them."""
    name = f"sdxl-{environment.name}"
    groups = {_FUNCTION: f"/aws/lambda/{name}-image-api", _ACCESS: f"/aws/apigateway/{name}"}
    if environment.model.source != "bedrock":
        groups[_ENDPOINT] = f"/aws/sagemaker/Endpoints/{name}"
    return groups
