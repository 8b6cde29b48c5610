"""The image API as an application: it finds a request's route, logs, measures, and answers every error."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from image_api.admission import Admission
from image_api.backends import Backend, deployed_capabilities
from image_api.causes import causes_of
from image_api.deadline import STORE_MARGIN_SECONDS, Deadline, answer_deadline
from image_api.dialects import stability_v1
from image_api.dialects.http import HttpReply, HttpRequest, http_request
from image_api.dialects.route import Convention, Deployment, ImagesRoute, ParsedRequest, PlainRoute
from image_api.dialects.routes import convention_of, find_path
from image_api.encoding import encode
from image_api.endpoint_health import ModelHealth
from image_api.errors import ImageApiError, InternalError, SigningError, WrongMethodError
from image_api.idempotency import HEADER as IDEMPOTENCY_HEADER
from image_api.idempotency import Call, Idempotency, caller_of
from image_api.image_store import ANSWER_BYTES, ImageStore
from image_api.marks.marker import ImageSigner, Marker, Marks
from image_api.measurements import Measurements, result_of, result_of_images
from image_api.presets import sdxl_warnings
from image_api.prompt_layer import PromptLayer
from image_api.request import Artifact, GenerationRequest, GenerationResult
from image_api.settings import Settings
from image_api.tracing import subsegment

# Browsers hide response headers from scripts unless they are named.
_EXPOSED_HEADERS = (
    "Finish-Reason",
    "Location",
    "Retry-After",
    "Seed",
    "X-Request-Id",
    "x-sdxl-variant",
    "x-sdxl-warning",
)
# What scripts may send; the X-Amz headers are those of signed requests.
_ALLOWED_HEADERS = (
    "Accept",
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Prefer",
    "X-Api-Key",
    "X-Amz-Content-Sha256",
    "X-Amz-Date",
    "X-Amz-Security-Token",
)
_PREFLIGHT_SECONDS = 3600

Event = dict[str, Any]
Answer = dict[str, Any]


class _Invocation(msgspec.Struct, frozen=True):
    """One event, with what Lambda says of it."""

    event: Event
    context: LambdaContext
    request_id: str


class Application:
    """Answers API Gateway REST proxy events."""

    def __init__(
        self,
        settings: Settings,
        *,
        backend: Backend,
        image_store: ImageStore,
        endpoint_health: ModelHealth,
        idempotency: Idempotency,
        admission: Admission,
        logger: Logger,
        measurements: Measurements,
        signer: ImageSigner | None = None,
    ) -> None:
        self._settings = settings
        self._deployment = Deployment(settings, deployed_capabilities(settings), endpoint_health)
        self._backend = backend
        self._prompt_layer = PromptLayer(settings)
        self._image_store = image_store
        self._idempotency = idempotency
        self._admission = admission
        self._marker = Marker(
            settings,
            parameters=self._deployment.capabilities.parameters,
            signer=signer,
            on_signing_failure=self._signing_failed,
        )
        self._logger = logger
        self._measurements = measurements

    def handle(self, event: Event, context: LambdaContext) -> Answer:
        """Answer one event. Never raises: an event that is not a REST proxy event is answered as an internal error."""
        invocation = _Invocation(event, context, _request_id(event, context))
        self._logger.set_correlation_id(invocation.request_id)
        # API Gateway's own name of the request: the other one can be set by the caller (x-amzn-RequestId).
        self._logger.append_keys(extended_request_id=_context_value(event, "extendedRequestId"))
        try:
            reply = self._reply(invocation)
            cors = self._cors_headers(event)
        except Exception as exc:  # noqa: BLE001 -- the last line before the runtime, which would show its trace
            reply, cors = self._error_reply(exc, invocation, stability_v1.CONVENTION), {}
        return {
            "statusCode": reply.status,
            "headers": {
                "Content-Type": reply.content_type,
                "X-Request-Id": invocation.request_id,
                **cors,
                **reply.headers,
            },
            "body": reply.body,
            # The body of an image is base64 already, and is not decoded only to be encoded again.
            "isBase64Encoded": reply.is_base64,
        }

    def _reply(self, invocation: _Invocation) -> HttpReply:
        event = invocation.event
        method = event["httpMethod"]
        try:
            found = find_path(event["path"])
        except ImageApiError as exc:
            return self._error_reply(exc, invocation, convention_of(event["path"]))
        if method == "OPTIONS":
            return self._options_reply(found.methods)
        route = found.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            error = WrongMethodError(
                f"{method} is not allowed here, allowed is {' or '.join(found.routes)}.", allowed_methods=found.methods
            )
            return self._error_reply(error, invocation, next(iter(found.routes.values())).convention)
        # The gateway's access log knows one path for all of /v1.
        self._logger.append_keys(route=f"{route.method} {route.path}")
        try:
            http = http_request(event, found.parameters, invocation.request_id)
            reply = self._route_reply(route, http, invocation)
        except Exception as exc:  # noqa: BLE001 -- only here is known in which convention to answer
            reply = self._error_reply(exc, invocation, route.convention)
        return msgspec.structs.replace(reply, body="", is_base64=False) if method == "HEAD" else reply

    def _route_reply(self, route: ImagesRoute | PlainRoute, http: HttpRequest, invocation: _Invocation) -> HttpReply:
        if isinstance(route, PlainRoute):
            return route.answer(http, self._deployment)
        ended = "internal_error"
        try:
            reply, result = self._images_reply(route, http, invocation)
            ended = result_of_images(result)
        except Exception as exc:
            ended = result_of(exc)
            raise
        finally:
            self._measurements.answered(ended)
        return reply

    def _images_reply(
        self, route: ImagesRoute, http: HttpRequest, invocation: _Invocation
    ) -> tuple[HttpReply, GenerationResult]:
        deadline = answer_deadline(self._settings.timeout_seconds, invocation.context.get_remaining_time_in_millis())
        parsed = route.read(http, self._deployment)
        sent = parsed.request
        parsed = msgspec.structs.replace(parsed, request=self._prompt_layer.apply(sent))
        marks = self._marker.marks_of(sent, parsed.request)
        result = self._images(route, http, parsed, invocation, marks=marks, deadline=deadline)
        result = msgspec.structs.replace(result, warnings=(*parsed.warnings, *result.warnings))
        reply = route.reply(result, parsed)
        headers = {"x-sdxl-variant": result.variant} if self._settings.variants and result.variant else {}
        if result.warnings:
            headers["x-sdxl-warning"] = " ".join(result.warnings)
        return msgspec.structs.replace(reply, headers={**headers, **reply.headers}), result

    def _images(
        self,
        route: ImagesRoute,
        http: HttpRequest,
        parsed: ParsedRequest,
        invocation: _Invocation,
        *,
        marks: Marks,
        deadline: Deadline,
    ) -> GenerationResult:
        """Draw the requested images, unless they were drawn before, and store what does not fit into the answer.

        Every image is marked before it leaves: those that are kept under an idempotency key, and those of the answer,
        which may have been encoded again.
        """

        def draw(request: GenerationRequest, drawn: dict[int, Artifact]) -> GenerationResult:
            return self._draw(request, drawn, deadline, invocation.request_id)

        def draw_to_keep(request: GenerationRequest, drawn: dict[int, Artifact]) -> GenerationResult:
            result = marks.write(draw(request, drawn), deadline)
            drawn |= {index: one for index, one in enumerate(result.artifacts) if isinstance(one, Artifact)}
            return result

        if (header := http.headers.get(IDEMPOTENCY_HEADER)) is None:
            result = draw(parsed.request, {})
        else:
            call = Call(
                header=header,
                caller=caller_of(invocation.event),
                route=f"{route.method} {invocation.event['path']}",
                request=parsed.request,
                deadline=deadline,
                context=invocation.context,
            )
            result = self._idempotency.once(call, draw_to_keep)
        with subsegment("answer", namespace="local"):
            if parsed.encoding is not None:
                budget = None if parsed.as_links else ANSWER_BYTES
                overhead = route.overhead_bytes + marks.bytes_per_image
                result = encode(result, parsed.encoding, budget_bytes=budget, overhead_bytes=overhead)
            result = marks.write(result, deadline)
            return self._image_store.fit(
                result,
                overhead_bytes=route.overhead_bytes,
                deadline=deadline,
                as_links=parsed.as_links,
            )

    def _draw(
        self, request: GenerationRequest, drawn: dict[int, Artifact], deadline: Deadline, request_id: str
    ) -> GenerationResult:
        """Draw the samples that are not in `drawn`, if they can be there in time."""
        missing = request.samples - len(drawn)
        ready = deadline.earlier_by(STORE_MARGIN_SECONDS)
        started = time.perf_counter()
        with self._admission.admitted(request, missing, ready):
            result = self._backend.generate(request, ready, drawn)
        self._record(request, result, missing, time.perf_counter() - started, request_id)
        is_sdxl = self._settings.bedrock_model_family in ("", "sdxl-v1")
        if is_sdxl and (warnings := sdxl_warnings(request)):
            result = msgspec.structs.replace(result, warnings=(*warnings, *result.warnings))
        return result

    def _signing_failed(self, error: SigningError) -> None:
        self._measurements.signing_failed()
        self._logger.error("images not signed", exc_info=error)

    def _options_reply(self, methods: tuple[str, ...]) -> HttpReply:
        """The answer to OPTIONS: what a browser asks before it sends a request from another origin (preflight)."""
        headers = {"Allow": ", ".join(methods)}
        if self._settings.cors_allow_origins:
            headers |= {
                "Access-Control-Allow-Headers": ",".join(_ALLOWED_HEADERS),
                "Access-Control-Allow-Methods": ",".join(methods),
                "Access-Control-Max-Age": str(_PREFLIGHT_SECONDS),
            }
        return HttpReply(status=204, content_type="text/plain", body="", headers=headers)

    def _cors_headers(self, event: Event) -> dict[str, str]:
        """What lets a page of an allowed origin read the answer."""
        allowed = self._settings.cors_allow_origins
        if not allowed:
            return {}
        headers: Mapping[str, str] = event.get("headers") or {}
        origin = next((value for name, value in headers.items() if name.lower() == "origin"), "")
        if "*" in allowed:
            origin = "*"
        elif origin not in allowed:
            return {"Vary": "Origin"}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": ",".join(_EXPOSED_HEADERS),
            "Vary": "Origin",
        }

    def _error_reply(self, error: Exception, invocation: _Invocation, convention: Convention) -> HttpReply:
        answer = error if isinstance(error, ImageApiError) else InternalError()
        fields: dict[str, Any] = {
            "request_id": invocation.request_id,
            "status": answer.status,
            "error_name": answer.name,
            "result": result_of(error),
        }
        if answer.status >= 500:
            self._logger.error("request failed", causes=causes_of(error), **fields)
        else:
            # Without the message, which quotes the request: prompts do not belong into a log.
            self._logger.info("request refused", **fields)
        return convention.error_reply(answer, invocation.request_id)

    def _record(
        self, request: GenerationRequest, result: GenerationResult, images: int, seconds: float, request_id: str
    ) -> None:
        if not images:
            return
        drawn = self._measurements.drawn(request, result, images, seconds)
        self._logger.info(
            "images generated",
            request_id=request_id,
            result=result_of_images(result),
            source=drawn.source,
            variant=drawn.variant,
            size=drawn.size,
            width=request.width,
            height=request.height,
            steps=request.steps,
            sampler=request.sampler,
            samples=images,
            model_seconds=round(seconds, 3),
            seconds_per_image=round(drawn.seconds_per_image, 3),
            cost_usd=None if drawn.cost_usd is None else round(drawn.cost_usd, 6),
        )


def _request_id(event: Event, context: LambdaContext) -> str:
    """The id that API Gateway gave the request, which its access log has too; else Lambda's."""
    return _context_value(event, "requestId") or str(context.aws_request_id)


def _context_value(event: Event, name: str) -> str | None:
    """A text of the request context; None where the event has none, as one that an invoker past API Gateway made up."""
    request_context = event.get("requestContext") if isinstance(event, dict) else None
    value = request_context.get(name) if isinstance(request_context, dict) else None
    return value if isinstance(value, str) and value else None
