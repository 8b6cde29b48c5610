"""People of the API: a user pool, its hosted sign-in page, and the client that applications use."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cognito as cognito
from constructs import Construct

from stacks.constructs.callers import GENERATE, RESOURCE_SERVER, SCOPE
from stacks.constructs.template_metadata import acknowledge, keep_logical_id
from stacks.environment import CognitoAuth

# How long an access token is valid: how long a person who was removed can still call the API.
_ACCESS_TOKEN = cdk.Duration.minutes(60)
_REFRESH_TOKEN = cdk.Duration.days(30)


class SignIn(Construct):
    """User pool whose people are added by an administrator and sign in with a password and a one-time password.

    The pool is kept when the stack is deleted, and protected from deletion.
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str, settings: CognitoAuth) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        self._name, self._settings = name, settings
        self.user_pool = self._add_user_pool(name)
        self._server = server = cognito.UserPoolResourceServer(
            self,
            "ResourceServer",
            user_pool=self.user_pool,
            identifier=RESOURCE_SERVER,
            user_pool_resource_server_name="SDXL image API",
            scopes=[cognito.ResourceServerScope(scope_name=GENERATE, scope_description="Generate images")],
        )
        keep_logical_id(server)
        prefix = settings.domain_prefix or f"{name}-{stack.account}"
        domain = cognito.UserPoolDomain(
            self,
            "Domain",
            user_pool=self.user_pool,
            cognito_domain=cognito.CognitoDomainOptions(domain_prefix=prefix),
        )
        keep_logical_id(domain)
        self.login_url = f"https://{prefix}.auth.{stack.region}.amazoncognito.com"

    def add_client(self, page_urls: Sequence[str]) -> cognito.UserPoolClient:
        """The client that applications and the creators' page use; people also come back to each of `page_urls`."""
        client = cognito.UserPoolClient(
            self,
            "Client",
            user_pool=self.user_pool,
            user_pool_client_name=self._name,
            # Pages and command lines cannot keep a secret; PKCE protects the code instead.
            generate_secret=False,
            o_auth=cognito.OAuthSettings(
                flows=cognito.OAuthFlows(authorization_code_grant=True),
                scopes=[cognito.OAuthScope.OPENID, cognito.OAuthScope.custom(SCOPE)],
                callback_urls=[*self._settings.callback_urls, *page_urls],
                logout_urls=[*self._settings.logout_urls, *page_urls] or None,
            ),
            supported_identity_providers=[cognito.UserPoolClientIdentityProvider.COGNITO],
            # Refreshing only. Tokens come from the hosted page alone: it is where the scope is given.
            auth_flows=cognito.AuthFlow(user_srp=False),
            prevent_user_existence_errors=True,
            enable_token_revocation=True,
            access_token_validity=_ACCESS_TOKEN,
            id_token_validity=_ACCESS_TOKEN,
            refresh_token_validity=_REFRESH_TOKEN,
        )
        keep_logical_id(client)
        # The scope is only a text in the client.
        client.node.add_dependency(self._server)
        return client

    def _add_user_pool(self, name: str) -> cognito.UserPool:
        pool = cognito.UserPool(
            self,
            "UserPool",
            user_pool_name=name,
            self_sign_up_enabled=False,
            sign_in_aliases=cognito.SignInAliases(email=True),
            auto_verify=cognito.AutoVerifiedAttrs(email=True),
            sign_in_case_sensitive=False,
            mfa=cognito.Mfa.REQUIRED,
            mfa_second_factor=cognito.MfaSecondFactor(otp=True, sms=False),
            password_policy=cognito.PasswordPolicy(
                min_length=12,
                require_lowercase=True,
                require_uppercase=True,
                require_digits=True,
                require_symbols=True,
                temp_password_validity=cdk.Duration.days(3),
            ),
            account_recovery=cognito.AccountRecovery.EMAIL_ONLY,
            deletion_protection=True,
            feature_plan=cognito.FeaturePlan.ESSENTIALS,
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        keep_logical_id(pool)
        no_threat_protection = (
            "Threat protection comes with the tier PLUS, billed per person and month; everyone signs in with a "
            "one-time password, and nobody can sign up"
        )
        acknowledge(pool, {"AwsSolutions-COG8": no_threat_protection})
        return pool
