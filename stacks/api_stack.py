"""The API: REST API, functions, callers and logs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from stacks.constructs.callers import SCOPE, ApiKeys, Authorization, by_api_key, by_iam, by_user_pool, keys_of
from stacks.constructs.firewall import Firewall
from stacks.constructs.functions import ImageFunction, KeyAuthorizerFunction, SigningParts
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.model_access import ModelAccess
from stacks.constructs.rest_api import ApiDomain, ImageApi
from stacks.constructs.template_metadata import acknowledge, resource_of
from stacks.constructs.user_pool import SignIn
from stacks.constructs.vpc import VpcConfig
from stacks.environment import API_STAGE, Api, BedrockModel, CognitoAuth, Environment, IamAuth, OpenModel
from stacks.environment.styles import TeamStyles, load_styles
from stacks.image_prices import price_variable
from stacks.storage_stack import IMAGES_PREFIX, StorageStack

STYLES_FILE = Path(__file__).resolve().parents[1] / "styles.yaml"
# The gateway gives up first, with an answer that helps. Lambda only cleans up after it.
_LAMBDA_MARGIN_SECONDS = 1


class ApiStack(cdk.Stack):
    """API of one environment, in front of `model`, with images in `storage`, and functions in a VPC with `vpc_config`.

    `layer_archive` is the zip archive of the image function's layer, `signing_layer_archive` that of the layer with
    which an environment with content credentials signs its images. Raises FileNotFoundError where it is missing then.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        storage: StorageStack,
        model: ModelAccess,
        layer_archive: Path,
        signing_layer_archive: Path | None = None,
        vpc_config: VpcConfig | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: image API", tags=tags)
        self._environment, self._storage, self._vpc_config = environment, storage, vpc_config
        self._name = f"sdxl-{environment.name}"
        self._sign_in: SignIn | None = None
        self._retention_days = environment.storage.log_retention_days
        self.image_function = self._add_image_function(
            model, layer_archive, _signing_parts(environment, signing_layer_archive)
        )
        authorization = self._add_authorization()
        self.image_api = ImageApi(
            self,
            "ImageApi",
            name=self._name,
            function=self.image_function.live,
            authorization=authorization,
            settings=environment.api,
            has_console=environment.has_console,
            key=storage.key,
            log_retention_days=self._retention_days,
        )
        self._output("RestApiId", self.image_api.api.rest_api_id, "Id of the REST API")
        self._output("FunctionName", self.image_function.function.function_name, "Function that answers the API")
        # Exported also while no stack imports them: CloudFormation removes no export that the deployed operations stack
        # still imports, and this stack is deployed first.
        self.export_value(self.image_function.function.function_name)
        self.export_value(self.image_function.role.role_name)
        self._output("AuthMode", authorization.mode, "How callers identify themselves")
        if authorization.mode == "api_key":
            self._add_keys()
        elif authorization.mode == "iam":
            arn = self.format_arn(
                service="execute-api", resource=self.image_api.api.rest_api_id, resource_name=f"{API_STAGE}/*"
            )
            self._output("ApiArn", arn, "What callers' policies allow execute-api:Invoke on")
        if environment.api.waf is not None:
            firewall = Firewall(
                self,
                "Firewall",
                name=self._name,
                settings=environment.api.waf,
                key=storage.key,
                log_retention_days=self._retention_days,
            )
            firewall.protect(self.image_api.stage)
        urls = self._add_address()
        sign_in: dict[str, str] = {} if self._sign_in is None else self._add_client(self._sign_in, urls)
        if environment.has_console:
            # Behind everything else: a user pool's client has the page's address, which has the API's id.
            self.image_function.add_variable("SDXL_CONSOLE", _compact({"mode": authorization.mode, **sign_in}))

    def _output(self, construct_id: str, value: str, description: str) -> None:
        cdk.CfnOutput(self, construct_id, value=value, description=description)

    def _add_image_function(
        self, model: ModelAccess, layer_archive: Path, signing: SigningParts | None
    ) -> ImageFunction:
        api = self._environment.api
        image_function = ImageFunction(
            self,
            "ImageFunction",
            memory_mb=api.function_memory_mb,
            timeout_seconds=api.integration_timeout_seconds + _LAMBDA_MARGIN_SECONDS,
            variables=_variables(self._environment, model, self._storage),
            layer_archive=layer_archive,
            signing=signing,
            log_group=encrypted_log_group(
                self,
                "FunctionLog",
                name=f"/aws/lambda/{self._name}-image-api",
                key=self._storage.key,
                retention_days=self._retention_days,
            ),
            vpc_config=self._vpc_config,
        )
        self._storage.grant_images(image_function.function)
        has_endpoint = not isinstance(self._environment.model, BedrockModel)
        self._storage.grant_idempotency(image_function.function, has_endpoint=has_endpoint)
        if signing is not None:
            self._storage.grant_signing(image_function.function)
        model.grant_invoke(image_function.function)
        images = self._storage.resolve(resource_of(self._storage.images).logical_id)
        acknowledge(
            image_function.role.permissions,
            {
                f"AwsSolutions-IAM5[Resource::<{images}.Arn>/{IMAGES_PREFIX}*]": (
                    "Each image has an object key of its own under this prefix"
                )
            },
        )
        return image_function

    def _add_authorization(self) -> Authorization:
        auth = self._environment.api.auth
        if isinstance(auth, IamAuth):
            return by_iam()
        if isinstance(auth, CognitoAuth):
            self._sign_in = SignIn(self, "SignIn", name=self._name, settings=auth)
            self._output("UserPoolId", self._sign_in.user_pool.user_pool_id, "User pool of the callers")
            self._output("LoginUrl", self._sign_in.login_url, "Address of the hosted sign-in page")
            return by_user_pool(self, self._sign_in.user_pool)
        authorizer = KeyAuthorizerFunction(
            self,
            "KeyAuthorizer",
            log_group=encrypted_log_group(
                self,
                "AuthorizerLog",
                name=f"/aws/lambda/{self._name}-key-authorizer",
                key=self._storage.key,
                retention_days=self._retention_days,
            ),
            vpc_config=self._vpc_config,
        )
        return by_api_key(self, authorizer.function)

    def _add_client(self, sign_in: SignIn, urls: Sequence[str]) -> dict[str, str]:
        """The client with which people sign in; returns what the creators' page needs for it."""
        pages = [f"{url}/" for url in urls] if self._environment.has_console else []
        client_id = sign_in.add_client(pages).user_pool_client_id
        self._output("UserPoolClientId", client_id, "Client id for signing in")
        return {"login_url": sign_in.login_url, "client_id": client_id, "scope": f"openid {SCOPE}"}

    def _add_keys(self) -> None:
        keys = ApiKeys(
            self,
            "Access",
            prefix=self._name,
            api=self.image_api.api,
            stage=self.image_api.stage,
            keys=keys_of(self._environment.api),
        )
        self._output("ApiKeyId", next(iter(keys.ids.values())), "Id of the first API key, not its value")
        if len(keys.ids) > 1:
            by_name = ",".join(f"{name}={key_id}" for name, key_id in keys.ids.items())
            self._output("ApiKeyIds", by_name, "Ids of all API keys by name")

    def _add_address(self) -> list[str]:
        """The outputs with the API's address. Returns every address, the one that callers are given first."""
        url = self.image_api.url()
        urls = [url]
        if self._environment.api.domain is not None:
            domain = ApiDomain(self, "Domain", settings=self._environment.api.domain, image_api=self.image_api)
            url, name = domain.url, domain.domain_name
            urls.insert(0, url)
            self._output("DomainTarget", name.domain_name_alias_domain_name, "What the domain's DNS record names")
            self._output("DomainHostedZoneId", name.domain_name_alias_hosted_zone_id, "Hosted zone of that target")
        self._output("ApiUrl", url, "Address of the API")
        return urls


def _variables(environment: Environment, model: ModelAccess, storage: StorageStack) -> dict[str, str]:
    """Environment variables of the image function."""
    api = environment.api
    refused, prices = api.moderation.refused_terms, price_variable(environment)
    optional = {
        "SDXL_MASKS": environment.model.masks if isinstance(environment.model, OpenModel) else "",
        "SDXL_STYLES": _team_styles().function_variable(),
        "SDXL_REFUSED_TERMS": _compact(refused) if refused else "",
        "SDXL_VARIANTS": _variants(environment),
        "SDXL_PRICES": _compact(prices) if prices else "",
        "SDXL_METADATA": ",".join(name for name, is_on in api.metadata if is_on),
        "SDXL_CONTENT_CREDENTIALS": _content_credentials(api, storage),
    }
    return {
        "SDXL_ENVIRONMENT": environment.name,
        "SDXL_MODEL_SOURCE": environment.model.source,
        **model.environment(),
        "SDXL_IMAGES_BUCKET": storage.images.bucket_name,
        "SDXL_IDEMPOTENCY_TABLE": storage.idempotency.table_name,
        "SDXL_IMAGE_LINK_TTL_SECONDS": str(api.image_link_ttl_seconds),
        "SDXL_TIMEOUT_SECONDS": str(api.integration_timeout_seconds),
        "SDXL_CORS_ALLOW_ORIGINS": ",".join(api.cors.allow_origins),
        **{variable: value for variable, value in optional.items() if value},
        "POWERTOOLS_SERVICE_NAME": "image-api",
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def _signing_parts(environment: Environment, layer_archive: Path | None) -> SigningParts | None:
    credentials = environment.api.content_credentials
    if credentials is None or credentials.chain_file is None:
        return None
    if layer_archive is None:
        raise FileNotFoundError(
            f"the environment {environment.name!r} signs its images, and no layer for it is given: run `make layer`"
        )
    return SigningParts(layer_archive=layer_archive, chain_file=credentials.chain_file)


def _content_credentials(api: Api, storage: StorageStack) -> str:
    """The key with which the function signs; empty where it signs nothing."""
    credentials = api.content_credentials
    if credentials is None or credentials.chain_file is None or storage.signing_key is None:
        return ""
    return _compact({"key_arn": storage.signing_key.key_arn, "on_failure": credentials.on_failure})


def _team_styles() -> TeamStyles:
    """The team's styles, from one file for all environments."""
    return load_styles(STYLES_FILE)


def _variants(environment: Environment) -> str:
    """The variants that share the requests, for the function to choose from; empty where there is nothing to choose."""
    variants = environment.production_variants
    if len(variants) < 2:
        return ""
    return _compact(
        [{"name": variant.name, "source": variant.model.source, "weight": variant.weight} for variant in variants]
    )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
