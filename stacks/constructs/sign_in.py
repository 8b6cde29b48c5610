"""People of the API: a user pool, its hosted sign-in page, and the client that applications use."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.arn import place_of
from stacks.constructs.authorization import GENERATE, RESOURCE_SERVER, SCOPE
from stacks.environment import CognitoAuth

# How long an access token is valid: what a person who was removed can still do.
_ACCESS_TOKEN_MINUTES = 60
_REFRESH_TOKEN_DAYS = 30


class SignIn(Construct):
    """User pool whose people are added by an administrator and sign in with a password and a one-time password.

    The pool is kept when the stack is deleted, and protected from deletion.
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str, settings: CognitoAuth) -> None:
        super().__init__(scope, construct_id)
        place = place_of(self)
        self.user_pool = _user_pool(self, name)
        server = cognito.CfnUserPoolResourceServer(
            self,
            "ResourceServer",
            user_pool_id=self.user_pool.ref,
            identifier=RESOURCE_SERVER,
            name="SDXL image API",
            scopes=[
                cognito.CfnUserPoolResourceServer.ResourceServerScopeTypeProperty(
                    scope_name=GENERATE, scope_description="Generate images"
                )
            ],
        )
        self.client = cognito.CfnUserPoolClient(
            self,
            "Client",
            user_pool_id=self.user_pool.ref,
            client_name=name,
            # Pages and command lines cannot keep a secret; PKCE protects the code instead.
            generate_secret=False,
            allowed_o_auth_flows_user_pool_client=True,
            allowed_o_auth_flows=["code"],
            allowed_o_auth_scopes=["openid", SCOPE],
            callback_ur_ls=list(settings.callback_urls),
            logout_ur_ls=list(settings.logout_urls) or None,
            supported_identity_providers=["COGNITO"],
            # Tokens come from the hosted page alone: it is where the scope is given.
            explicit_auth_flows=["ALLOW_REFRESH_TOKEN_AUTH"],
            prevent_user_existence_errors="ENABLED",
            enable_token_revocation=True,
            access_token_validity=_ACCESS_TOKEN_MINUTES,
            id_token_validity=_ACCESS_TOKEN_MINUTES,
            refresh_token_validity=_REFRESH_TOKEN_DAYS,
            token_validity_units={"accessToken": "minutes", "idToken": "minutes", "refreshToken": "days"},
        )
        self.client.add_resource_dependency(server)
        prefix = settings.domain_prefix or f"{name}-{place.account}"
        cognito.CfnUserPoolDomain(self, "Domain", user_pool_id=self.user_pool.ref, domain=prefix)
        self.login_url = f"https://{prefix}.auth.{place.region}.amazoncognito.com"

    @property
    def user_pool_arn(self) -> str:
        """ARN of the user pool."""
        return self.user_pool.attr_arn


def _user_pool(scope: Construct, name: str) -> cognito.CfnUserPool:
    pool = cognito.CfnUserPool(
        scope,
        "UserPool",
        user_pool_name=name,
        admin_create_user_config=cognito.CfnUserPool.AdminCreateUserConfigProperty(allow_admin_create_user_only=True),
        username_attributes=["email"],
        auto_verified_attributes=["email"],
        username_configuration=cognito.CfnUserPool.UsernameConfigurationProperty(case_sensitive=False),
        mfa_configuration="ON",
        enabled_mfas=["SOFTWARE_TOKEN_MFA"],
        policies=cognito.CfnUserPool.PoliciesProperty(
            password_policy=cognito.CfnUserPool.PasswordPolicyProperty(
                minimum_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_numbers=True,
                require_symbols=True,
                temporary_password_validity_days=3,
            )
        ),
        account_recovery_setting=cognito.CfnUserPool.AccountRecoverySettingProperty(
            recovery_mechanisms=[cognito.CfnUserPool.RecoveryOptionProperty(name="verified_email", priority=1)]
        ),
        deletion_protection="ACTIVE",
        user_pool_tier="ESSENTIALS",
    )
    pool.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    no_threat_protection = (
        "Threat protection comes with the tier PLUS, billed per person and month; everyone signs in with a one-time "
        "password, and nobody can sign up"
    )
    acknowledge(pool, {"AwsSolutions-COG8": no_threat_protection})
    return pool
