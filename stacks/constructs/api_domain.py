"""A domain name of one's own for the API."""

from __future__ import annotations

from aws_cdk import aws_apigateway as apigateway
from constructs import Construct

from stacks.environment import Domain


class ApiDomain(Construct):
    """Regional domain name that leads to one stage. Its DNS record is made where the zone is: `target` says of what."""

    def __init__(
        self, scope: Construct, construct_id: str, *, settings: Domain, rest_api_id: str, stage: apigateway.CfnStage
    ) -> None:
        super().__init__(scope, construct_id)
        domain = apigateway.CfnDomainName(
            self,
            "DomainName",
            domain_name=settings.name,
            regional_certificate_arn=settings.certificate_arn,
            endpoint_configuration=apigateway.CfnDomainName.EndpointConfigurationProperty(types=["REGIONAL"]),
            security_policy="TLS_1_2",
        )
        # At the root: under a base path the function would see that path before each of its own.
        apigateway.CfnBasePathMapping(self, "Mapping", domain_name=domain.ref, rest_api_id=rest_api_id, stage=stage.ref)
        self.url = f"https://{settings.name}"
        self.target = domain.attr_regional_domain_name
        self.hosted_zone_id = domain.attr_regional_hosted_zone_id
