"""The image API as an application: its routes, what they log and measure, and how every error becomes an answer."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.api_gateway import APIGatewayRestResolver, CORSConfig, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.typing import LambdaContext

from image_api.backends import Backend
from image_api.backends.fan_out import NOT_READY_SECONDS
from image_api.deadline import STORE_MARGIN_SECONDS, Deadline, answer_deadline
from image_api.dialects import stability_v1
from image_api.dialects.http import HttpReply, HttpRequest, json_reply
from image_api.dialects.route import Asked, ErrorReply, ImagesRoute, Route
from image_api.dialects.routes import ROUTES
from image_api.endpoint_health import SERVING_STATUSES, ModelHealth
from image_api.errors import (
    ImageApiError,
    InternalError,
    InvalidRequestError,
    ModelNotReadyError,
    UnknownRouteError,
    WrongMethodError,
)
from image_api.idempotency import HEADER as IDEMPOTENCY_HEADER
from image_api.idempotency import Call, Idempotency, caller_of
from image_api.image_store import ImageStore
from image_api.measurements import Measurements, result_of, result_of_images
from image_api.presets import size_warning
from image_api.prompt_layer import PromptLayer
from image_api.request import GenerationRequest, GenerationResult
from image_api.request_url import request_url
from image_api.settings import Settings
from image_api.tracing import subsegment

_METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
# Browsers hide response headers from scripts unless they are named.
_EXPOSED_HEADERS = [
    "Finish-Reason",
    "Location",
    "Retry-After",
    "Seed",
    "X-Request-Id",
    "x-sdxl-variant",
    "x-sdxl-warning",
]
_SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

Event = dict[str, Any]
Answer = dict[str, Any]


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
        logger: Logger,
        measurements: Measurements,
    ) -> None:
        self._settings = settings
        self._backend = backend
        self._prompt_layer = PromptLayer(settings)
        self._image_store = image_store
        self._idempotency = idempotency
        self._endpoint_health = endpoint_health
        self._logger = logger
        self._measurements = measurements
        self._resolver = APIGatewayRestResolver(cors=_cors(settings.cors_allow_origins))
        self._resolver.route("/health", "GET")(self._health)
        self._refuse_other_methods("/health", ["GET"], stability_v1.error_reply)
        for route in ROUTES:
            self._add_route(route)
        for path in dict.fromkeys(route.path for route in ROUTES):
            routes = [route for route in ROUTES if route.path == path]
            self._refuse_other_methods(path, [route.method for route in routes], routes[0].error_reply)
        self._resolver.exception_handler(NotFoundError)(self._unknown_route)
        self._resolver.exception_handler(Exception)(self._error)

    def handle(self, event: Event, context: LambdaContext) -> Answer:
        """Answer one event. Never raises: an event that is no REST proxy event is answered as an internal error."""
        self._logger.set_correlation_id(_request_id(event, context))
        try:
            return self._resolver.resolve(event, context)
        except Exception as exc:  # noqa: BLE001 -- the last line before the runtime, which would show its trace
            reply = self._error_reply(exc, _request_id(event, context))
            return {
                "statusCode": reply.status,
                "headers": {"Content-Type": reply.content_type, **reply.headers},
                "body": reply.body,
                "isBase64Encoded": False,
            }

    def _add_route(self, route: Route) -> None:
        def answer(**path_parameters: str) -> Response[str]:
            try:
                if isinstance(route, ImagesRoute):
                    return self._answer_images(route, path_parameters)
                return self._response(route.answer(self._http(path_parameters), self._settings))
            except Exception as exc:  # noqa: BLE001 -- only here is known in which dialect to answer
                return self._error(exc, route.error_reply)

        self._resolver.route(_resolver_path(route.path), route.method)(answer)

    def _http(self, path_parameters: dict[str, str]) -> HttpRequest:
        return _http_request(self._current()[0], path_parameters)

    def _answer_images(self, route: ImagesRoute, path_parameters: dict[str, str]) -> Response[str]:
        """Answer a request for images, and count how it ended, whichever way."""
        ended = "internal_error"
        try:
            response, result = self._images_reply(route, self._http(path_parameters))
            ended = result_of_images(result)
        except Exception as exc:
            ended = result_of(exc)
            raise
        finally:
            self._measurements.answered(ended)
        return response

    def _images_reply(self, route: ImagesRoute, http: HttpRequest) -> tuple[Response[str], GenerationResult]:
        context = self._current()[1]
        deadline = answer_deadline(self._settings.timeout_seconds, context.get_remaining_time_in_millis())
        asked = route.read(http)
        asked = msgspec.structs.replace(asked, request=self._prompt_layer.apply(asked.request))
        result = self._images(route, http, asked, deadline)
        headers = {"x-sdxl-variant": result.variant} if self._settings.variants and result.variant else {}
        if result.warnings:
            headers["x-sdxl-warning"] = " ".join(result.warnings)
        return self._response(route.reply(result, asked), headers), result

    def _images(self, route: ImagesRoute, http: HttpRequest, asked: Asked, deadline: Deadline) -> GenerationResult:
        """Draw what was asked for, unless it was drawn before, and store what does not fit into the answer."""
        if (header := http.headers.get(IDEMPOTENCY_HEADER)) is None:
            result = self._draw(asked.request, deadline)
        else:
            call = self._call(header, route, asked.request, deadline)
            result = self._idempotency.once(call, lambda: self._draw(asked.request, deadline))
        with subsegment("answer", namespace="local"):
            return self._image_store.fit(
                result,
                request_id=self._storable_request_id(),
                overhead_bytes=route.overhead_bytes,
                deadline=deadline,
                as_links=asked.as_links,
            )

    def _call(self, header: str, route: ImagesRoute, request: GenerationRequest, deadline: Deadline) -> Call:
        event, context = self._current()
        return Call(
            header=header,
            caller=caller_of(event),
            route=f"{route.method} {event.get('path')}",
            request=request,
            request_id=self._storable_request_id(),
            deadline=deadline,
            context=context,
        )

    def _draw(self, request: GenerationRequest, deadline: Deadline) -> GenerationResult:
        started = time.perf_counter()
        result = self._backend.generate(request, deadline.earlier_by(STORE_MARGIN_SECONDS))
        self._record(request, result, time.perf_counter() - started)
        is_sdxl = self._settings.bedrock_model_family in ("", "sdxl-v1")
        if is_sdxl and (warning := size_warning(request.width, request.height)):
            result = msgspec.structs.replace(result, warnings=(warning, *result.warnings))
        return result

    def _health(self) -> Response[str]:
        endpoint_status = self._endpoint_health.status()
        is_serving = endpoint_status in SERVING_STATUSES
        fields = {
            "status": "ok" if is_serving else "unavailable",
            "environment": self._settings.environment,
            "model_source": self._settings.model_source,
            "endpoint_status": endpoint_status,
        }
        if is_serving:
            return self._response(json_reply(200, fields))
        error = ModelNotReadyError(
            f"The model's endpoint is not in service: its status is {endpoint_status}. Try again later.",
            retry_after_seconds=NOT_READY_SECONDS,
        )
        fields |= stability_v1.error_fields(error, self._request_id())
        return self._response(json_reply(error.status, fields, error.headers))

    def _refuse_other_methods(self, path: str, methods: Sequence[str], error_reply: ErrorReply) -> None:
        def wrong_method(**_: str) -> Response[str]:
            used = self._current()[0]["httpMethod"]
            error = WrongMethodError(
                f"{used} is not allowed here, allowed is {' or '.join(methods)}.", allowed_methods=tuple(methods)
            )
            return self._error(error, error_reply)

        others = [method for method in _METHODS if method not in methods]
        self._resolver.route(_resolver_path(path), others)(wrong_method)

    def _unknown_route(self, _: NotFoundError) -> Response[str]:
        event = self._current()[0]
        path = str(event.get("path"))[:100]
        return self._error(
            UnknownRouteError(
                f"There is no {event.get('httpMethod')} {path!r}. GET /v1/engines/list names the engines; images come "
                "from POST /v1/generation/{engine_id}/text-to-image."
            )
        )

    def _error(self, error: Exception, error_reply: ErrorReply = stability_v1.error_reply) -> Response[str]:
        return self._response(self._error_reply(error, self._request_id(), error_reply))

    def _error_reply(
        self, error: Exception, request_id: str, error_reply: ErrorReply = stability_v1.error_reply
    ) -> HttpReply:
        answer = error if isinstance(error, ImageApiError) else InternalError()
        fields: dict[str, Any] = {
            "request_id": request_id,
            "status": answer.status,
            "error_name": answer.name,
            "result": result_of(error),
        }
        if answer.status >= 500:
            self._logger.error("request failed", exc_info=error, **fields)
        else:
            # Without the message, which quotes the request: prompts do not belong into a log.
            self._logger.info("request refused", **fields)
        reply = error_reply(answer, request_id)
        reply.headers["X-Request-Id"] = request_id
        return reply

    def _current(self) -> tuple[Event, LambdaContext]:
        event: Event = self._resolver.current_event.raw_event
        return event, self._resolver.lambda_context

    def _request_id(self) -> str:
        return _request_id(*self._current())

    def _storable_request_id(self) -> str:
        """The request's id as a folder name: API Gateway's, or Lambda's where an invoker past it made one up."""
        request_id = self._request_id()
        return request_id if _SAFE_REQUEST_ID.fullmatch(request_id) else str(self._current()[1].aws_request_id)

    def _response(self, reply: HttpReply, headers: dict[str, str] | None = None) -> Response[str]:
        response: Response[str] = Response(
            status_code=reply.status,
            content_type=reply.content_type,
            body=reply.body,
            headers={"X-Request-Id": self._request_id(), **(headers or {}), **reply.headers},
        )
        # The body is base64 already: handing Powertools bytes would decode an image only to encode it again.
        response.base64_encoded = reply.is_base64
        return response

    def _record(self, request: GenerationRequest, result: GenerationResult, seconds: float) -> None:
        drawn = self._measurements.drawn(request, result, seconds)
        self._logger.info(
            "images generated",
            request_id=self._request_id(),
            result=result_of_images(result),
            source=drawn.source,
            variant=drawn.variant,
            size=drawn.size,
            width=request.width,
            height=request.height,
            steps=request.steps,
            sampler=request.sampler,
            samples=request.samples,
            model_seconds=round(seconds, 3),
            seconds_per_image=round(drawn.seconds_per_image, 3),
            cost_usd=None if drawn.cost_usd is None else round(drawn.cost_usd, 6),
        )


def _cors(allow_origins: tuple[str, ...]) -> CORSConfig | None:
    if not allow_origins:
        return None
    return CORSConfig(
        allow_origin=allow_origins[0], extra_origins=list(allow_origins[1:]), expose_headers=_EXPOSED_HEADERS
    )


def _request_id(event: Event, context: LambdaContext) -> str:
    """The id that API Gateway gave the request, which its access log has too; else Lambda's."""
    request_context = event.get("requestContext") if isinstance(event, dict) else None
    request_id = request_context.get("requestId") if isinstance(request_context, dict) else None
    return request_id if isinstance(request_id, str) and request_id else str(context.aws_request_id)


def _resolver_path(path: str) -> str:
    """`/v1/generation/{engine_id}` as Powertools writes it."""
    return path.replace("{", "<").replace("}", ">")


def _http_request(event: Event, path_parameters: dict[str, str]) -> HttpRequest:
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    return HttpRequest(
        headers=headers, body=_body(event), path_parameters=path_parameters, url=request_url(event, headers)
    )


def _body(event: Event) -> bytes:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            # As strict as the standard library's decoder and seven times as fast: 2 ms for an image of 4 MB.
            return msgspec.convert(body, bytes)
        except (msgspec.ValidationError, UnicodeEncodeError) as exc:
            raise InvalidRequestError("The body is marked as base64 and is not. Send it as it is.") from exc
    # Half of a surrogate pair, which a proxy event can hold, becomes bytes that the parser then refuses.
    return bytes(body.encode(errors="surrogatepass"))
