"""Logical ids that no change of the code may change, literally: of what holds data, has a fixed name or is imported.

CloudFormation replaces a resource whose logical id changes. Data would stay behind in the old one. A resource with a
fixed name, or one of which its parent can have only one, would fail: the new one is created while the old one exists.
"""

from __future__ import annotations

import pytest
from infrastructure_synthesis import Synthesis

# By environment and stack: type by logical id. An environment lists what those before it do not have.
KEPT: dict[tuple[str, str], dict[str, str]] = {
    ("dev", "Storage"): {
        "IdempotencyTable97E7303A": "AWS::DynamoDB::Table",
        "EndpointExecutionRole1819D26F": "AWS::IAM::Role",
        "Key": "AWS::KMS::Key",
        "AccessLogBucket07987235": "AWS::S3::Bucket",
        "ImagesBucket297917F6": "AWS::S3::Bucket",
        "AccessLogPolicyE3EFBBF8": "AWS::S3::BucketPolicy",
        "ImagesPolicyB348B051": "AWS::S3::BucketPolicy",
    },
    ("dev", "Inference"): {
        "SdxlEndpointRollbackAlarmsCrashes8AA63BD0": "AWS::CloudWatch::Alarm",
        "SdxlEndpointRollbackAlarmsErrors668728D9": "AWS::CloudWatch::Alarm",
        "SdxlEndpointRollbackAlarmsLatency441EFA09": "AWS::CloudWatch::Alarm",
        "SdxlEndpointExecutionRolePermissions80BF0AC2": "AWS::IAM::ManagedPolicy",
        "EndpointLog": "AWS::Logs::LogGroup",
        "SdxlEndpointCrashFilter1109390F": "AWS::Logs::MetricFilter",
        "SdxlEndpoint853EAF39": "AWS::SageMaker::Endpoint",
        "SdxlEndpointEndpointConfig3CD5F54C": "AWS::SageMaker::EndpointConfig",
        "SdxlEndpointModelE0C59A0E": "AWS::SageMaker::Model",
    },
    ("dev", "Api"): {
        "ApiStageLoggingAccount12CED8BC": "AWS::ApiGateway::Account",
        "AccessApiKeydefault781FFD5A": "AWS::ApiGateway::ApiKey",
        "ImageApiAuthorizerB5F3E531": "AWS::ApiGateway::Authorizer",
        "ImageApiAccessDenied00B5627E": "AWS::ApiGateway::GatewayResponse",
        "ImageApiDefault4xx12910B46": "AWS::ApiGateway::GatewayResponse",
        "ImageApiDefault5xx896D0CCD": "AWS::ApiGateway::GatewayResponse",
        "ImageApiIntegrationFailureFC07631A": "AWS::ApiGateway::GatewayResponse",
        "ImageApiIntegrationTimeout9A1C829E": "AWS::ApiGateway::GatewayResponse",
        "ImageApiInvalidApiKey71EC9C3B": "AWS::ApiGateway::GatewayResponse",
        "ImageApiMissingAuthenticationToken1721775F": "AWS::ApiGateway::GatewayResponse",
        "ImageApiQuotaExceeded98B04627": "AWS::ApiGateway::GatewayResponse",
        "ImageApiRequestTooLarge4D10FF52": "AWS::ApiGateway::GatewayResponse",
        "ImageApiThrottled2C4226B4": "AWS::ApiGateway::GatewayResponse",
        "ImageApiUnauthorizedC6191F69": "AWS::ApiGateway::GatewayResponse",
        "ImageApiUnsupportedMediaTypeD0A00E43": "AWS::ApiGateway::GatewayResponse",
        "ImageApiHealthPath2FF9D739": "AWS::ApiGateway::Resource",
        "ImageApiOpenapiJsonPathF8D0FA17": "AWS::ApiGateway::Resource",
        "ImageApiV1PathF1D3EE27": "AWS::ApiGateway::Resource",
        # A resource has one method of a kind, and one path parameter below it.
        "ImageApiRestApihealthANY654E3721": "AWS::ApiGateway::Method",
        "ImageApiRestApiopenapijsonANY3018D062": "AWS::ApiGateway::Method",
        "ImageApiRestApiv1proxyANY854E5F34": "AWS::ApiGateway::Method",
        "ImageApiRestApiv1proxyOPTIONS76AA8424": "AWS::ApiGateway::Method",
        "ImageApiRestApiv1proxy27D863B4": "AWS::ApiGateway::Resource",
        "ImageApiRestApiD1A49F62": "AWS::ApiGateway::RestApi",
        "ApiStage8BFD047B": "AWS::ApiGateway::Stage",
        "AccessUsagePlandefault7B7ABD4F": "AWS::ApiGateway::UsagePlan",
        "AccessUsagePlanKeydefault5F048FB7": "AWS::ApiGateway::UsagePlanKey",
        "ImageFunctionExecutionRolePermissionsB4F6F640": "AWS::IAM::ManagedPolicy",
        "KeyAuthorizerExecutionRolePermissionsC7CBDCE0": "AWS::IAM::ManagedPolicy",
        "ApiStageLoggingRole55CF83A0": "AWS::IAM::Role",
        "ImageFunctionExecutionRoleCBEC8EDA": "AWS::IAM::Role",
        "KeyAuthorizerExecutionRole3A6DA89C": "AWS::IAM::Role",
        "ImageFunctionAliasAA856E3A": "AWS::Lambda::Alias",
        "ImageFunction3592DD2A": "AWS::Lambda::Function",
        "ApiStageAccessLog3C78684A": "AWS::Logs::LogGroup",
        "ApiStageExecutionLogCFB80781": "AWS::Logs::LogGroup",
        "AuthorizerLog": "AWS::Logs::LogGroup",
        "FunctionLog": "AWS::Logs::LogGroup",
    },
    ("dev", "Operations"): {
        "ApiErrors": "AWS::CloudWatch::Alarm",
        "ApiLatency": "AWS::CloudWatch::Alarm",
        "ContainerCrash": "AWS::CloudWatch::Alarm",
        "Disk": "AWS::CloudWatch::Alarm",
        "FunctionErrors": "AWS::CloudWatch::Alarm",
        "GpuMemory": "AWS::CloudWatch::Alarm",
        "GpuUtilization": "AWS::CloudWatch::Alarm",
        "ModelErrors": "AWS::CloudWatch::Alarm",
        "ModelLatency": "AWS::CloudWatch::Alarm",
        "NoHealthyInstance": "AWS::CloudWatch::Alarm",
        "Throttled": "AWS::CloudWatch::Alarm",
        "EnvironmentAlarm": "AWS::CloudWatch::CompositeAlarm",
        "Dashboard": "AWS::CloudWatch::Dashboard",
        "QueriesBySize655E0C65": "AWS::Logs::QueryDefinition",
        "QueriesCostByDay13D2AE98": "AWS::Logs::QueryDefinition",
        "QueriesCrashes0D48C342": "AWS::Logs::QueryDefinition",
        "QueriesFailures821880AE": "AWS::Logs::QueryDefinition",
        "QueriesOneRequest1CFF5481": "AWS::Logs::QueryDefinition",
        "QueriesRefused88705443": "AWS::Logs::QueryDefinition",
        "QueriesSlowest4AAA1F4F": "AWS::Logs::QueryDefinition",
        "Topic260E7DCE": "AWS::SNS::Topic",
        "TopicPolicy7C94FB28": "AWS::SNS::TopicPolicy",
    },
    ("cognito", "Api"): {
        "SignInUserPoolE51B1F7A": "AWS::Cognito::UserPool",
        "SignInClient8A96AC11": "AWS::Cognito::UserPoolClient",
        "SignInDomainB208A22F": "AWS::Cognito::UserPoolDomain",
        "SignInResourceServer2C210DBF": "AWS::Cognito::UserPoolResourceServer",
    },
    ("domain", "Api"): {
        "DomainMapping9676C316": "AWS::ApiGateway::BasePathMapping",
        "DomainDomainNameAFE497EE": "AWS::ApiGateway::DomainName",
    },
    ("waf", "Api"): {
        "AccessApiKeyinterns868D35FB": "AWS::ApiGateway::ApiKey",
        "AccessApiKeynightlybatch42A21B43": "AWS::ApiGateway::ApiKey",
        "AccessApiKeywebsite0FA210DE": "AWS::ApiGateway::ApiKey",
        "ImageApiWafFiltered4E0B5CD8": "AWS::ApiGateway::GatewayResponse",
        "AccessUsagePlaninternsFF976D13": "AWS::ApiGateway::UsagePlan",
        "AccessUsagePlannightlybatchE2A77BF4": "AWS::ApiGateway::UsagePlan",
        "AccessUsagePlanwebsiteABA12189": "AWS::ApiGateway::UsagePlan",
        "AccessUsagePlanKeyinternsE9B911DD": "AWS::ApiGateway::UsagePlanKey",
        "AccessUsagePlanKeynightlybatchCBFC8E0A": "AWS::ApiGateway::UsagePlanKey",
        "AccessUsagePlanKeywebsite6DAAE95F": "AWS::ApiGateway::UsagePlanKey",
        "FirewallLog": "AWS::Logs::LogGroup",
        "FirewallLoggingB851CD9F": "AWS::WAFv2::LoggingConfiguration",
        "FirewallWebAcl5A849C4E": "AWS::WAFv2::WebACL",
        "FirewallAssociationFCDA9379": "AWS::WAFv2::WebACLAssociation",
    },
    ("vpc", "Network"): {
        "EndpointsGroup454F8EA1": "AWS::EC2::SecurityGroup",
        "FunctionsGroup": "AWS::EC2::SecurityGroup",
        "ModelGroup": "AWS::EC2::SecurityGroup",
        "EndpointsFromFunctions4DF00F8B": "AWS::EC2::SecurityGroupIngress",
        "EndpointsDynamodbF9945C4C": "AWS::EC2::VPCEndpoint",
        "EndpointsS309BE8E76": "AWS::EC2::VPCEndpoint",
        "EndpointsSagemakerApi230D45E2": "AWS::EC2::VPCEndpoint",
        "EndpointsSagemakerRuntime5B2AFF0A": "AWS::EC2::VPCEndpoint",
    },
    ("operations", "Inference"): {
        "ScalingTargetD18E316D": "AWS::ApplicationAutoScaling::ScalableTarget",
        "ScalingPolicyE6AB1601": "AWS::ApplicationAutoScaling::ScalingPolicy",
    },
    ("async", "Inference"): {
        "ResultsFailed770CDF46": "AWS::SNS::Topic",
        "ResultsSucceeded7898876A": "AWS::SNS::Topic",
        "ScalingWakeAlarm2493FE04": "AWS::CloudWatch::Alarm",
        "SdxlEndpoint853EAF39": "AWS::SageMaker::Endpoint",
    },
    ("components", "Inference"): {
        "ScalingWakeAlarm2493FE04": "AWS::CloudWatch::Alarm",
        "SdxlEndpoint853EAF39": "AWS::SageMaker::Endpoint",
        "SdxlEndpointComponentBE1ED839": "AWS::SageMaker::InferenceComponent",
    },
    ("operations", "Operations"): {
        "CostBudget5CC62E34": "AWS::Budgets::Budget",
        "CostActionF7C20930": "AWS::Budgets::BudgetsAction",
        "TopicSlackChannel3F0A7F18": "AWS::Chatbot::SlackChannelConfiguration",
        "AtMaxCapacity": "AWS::CloudWatch::Alarm",
        "CostActionRolePermissionsF988F76C": "AWS::IAM::ManagedPolicy",
        "CostStopPolicyA138F055": "AWS::IAM::ManagedPolicy",
        "TopicChatRolePermissionsEBF1419A": "AWS::IAM::ManagedPolicy",
        "CostActionRole3184BBF5": "AWS::IAM::Role",
        "TopicChatRole5E339E30": "AWS::IAM::Role",
    },
    ("ab", "Inference"): {
        "ChallengerScalingTarget9B69C11B": "AWS::ApplicationAutoScaling::ScalableTarget",
        "ChallengerScalingPolicyED2DBB95": "AWS::ApplicationAutoScaling::ScalingPolicy",
        "SdxlEndpointChallengerModel9B09ECE7": "AWS::SageMaker::Model",
    },
    ("ab", "Operations"): {
        "AtMaxCapacityChallenger": "AWS::CloudWatch::Alarm",
        "DiskChallenger": "AWS::CloudWatch::Alarm",
        "GpuMemoryChallenger": "AWS::CloudWatch::Alarm",
        "GpuUtilizationChallenger": "AWS::CloudWatch::Alarm",
        "NoHealthyInstanceChallenger": "AWS::CloudWatch::Alarm",
    },
}
# What other stacks import. CloudFormation removes no export that a deployed stack imports.
EXPORTS = {
    ("dev", "Storage"): {
        "ExportsOutputFnGetAttEndpointExecutionRole1819D26FArn44513511",
        "ExportsOutputRefEndpointExecutionRole1819D26F4246F2C5",
        "ExportsOutputFnGetAttIdempotencyTable97E7303AArnE5024D72",
        "ExportsOutputFnGetAttImagesBucket297917F6ArnEEACF4E0",
        "ExportsOutputFnGetAttKeyArn66D44B37",
        "ExportsOutputRefIdempotencyTable97E7303A2F0CFE53",
        "ExportsOutputRefImagesBucket297917F62488D9D8",
    },
    ("dev", "Api"): {
        "ExportsOutputRefImageFunction3592DD2AF8BF865E",
        "ExportsOutputRefImageFunctionExecutionRoleCBEC8EDA6AD01747",
    },
    ("operations", "Api"): {
        "ExportsOutputRefImageFunction3592DD2AF8BF865E",
        "ExportsOutputRefImageFunctionExecutionRoleCBEC8EDA6AD01747",
    },
    ("vpc", "Network"): {
        "ExportsOutputFnGetAttFunctionsGroupGroupIdFF4E6FB2",
        "ExportsOutputFnGetAttModelGroupGroupId612ABCD3",
    },
}


@pytest.mark.parametrize(("environment", "stack"), KEPT)
def test_logical_ids_are_kept(examples: Synthesis, access: Synthesis, environment: str, stack: str) -> None:
    (templates,) = (one.templates[environment] for one in (examples, access) if environment in one.templates)
    found = {name: item["Type"] for name, item in templates[stack]["Resources"].items()}

    kept = KEPT[environment, stack]
    assert {name: found.get(name) for name in kept} == kept


@pytest.mark.parametrize(("environment", "stack"), EXPORTS)
def test_exports_are_kept(examples: Synthesis, access: Synthesis, environment: str, stack: str) -> None:
    (templates,) = (one.templates[environment] for one in (examples, access) if environment in one.templates)
    names = {item["Export"]["Name"] for item in templates[stack]["Outputs"].values() if "Export" in item}

    assert names == {f"sdxl-{environment}-{stack}:{name}" for name in EXPORTS[environment, stack]}
