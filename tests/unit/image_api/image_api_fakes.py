"""Fakes of the image API's boundary: SageMaker, S3, Lambda's context and API Gateway's event."""

from __future__ import annotations

import base64
import io
import json
import struct
import threading
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from image_api.admission import Admission
from image_api.application import Application
from image_api.backends import create_backend
from image_api.endpoint_health import EndpointHealth
from image_api.idempotency import Idempotency
from image_api.image_store import ImageStore, KeptImages
from image_api.marks.marker import ImageSigner
from image_api.measurements import Measurements
from image_api.request import Artifact, GenerationRequest, GenerationResult, TextPrompt
from image_api.settings import ConsoleSettings, Settings
from image_api_fake_records import FakeRecords

ENGINE_PATH = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
REQUEST_ID = "5f1b2c3d-0000-4000-8000-000000000001"
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def png(data: bytes = b"pixels") -> bytes:
    """A PNG as far as anything here looks at it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 1024, 1024, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_base64(data: bytes = b"pixels") -> str:
    return base64.b64encode(png(data)).decode()


def base64_of_length(characters: int) -> str:
    """A PNG in base64 of exactly this length, a multiple of 4."""
    overhead = len(png(b""))
    text = png_base64(bytes(characters // 4 * 3 - overhead))
    assert len(text) == characters
    return text


def open_answer(image: str) -> bytes:
    return json.dumps({"generated_image": image}).encode()


def optimized_answer(image: str, seed: int = 1, finish_reason: str = "SUCCESS") -> bytes:
    artifact = {"seed": seed, "base64": image, "finishReason": finish_reason}
    return json.dumps({"result": "success", "artifacts": [artifact]}).encode()


def draw(payload: dict[str, Any]) -> bytes:
    """Answer as the model does that this payload is for: an image that tells its seed."""
    image = png_base64(f"seed {payload['seed']}".encode())
    return optimized_answer(image, payload["seed"]) if "samples" in payload else open_answer(image)


def client_error(code: str, message: str = "", status: int = 400, **fields: object) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **fields,
    }
    return ClientError(response, "InvokeEndpoint")


def container_error(status: int, original: str) -> ClientError:
    """What InvokeEndpoint raises when the container answers with an error."""
    kind = "client" if 400 <= status < 500 else "server"
    return client_error(
        "ModelError",
        f'Received {kind} error ({status}) from primary with message "{original}". '
        "See https://us-east-1.console.aws.amazon.com/cloudwatch/home in account 111111111111 for more information.",
        424,
        OriginalStatusCode=status,
        OriginalMessage=original,
        LogStreamArn="arn:aws:logs:us-east-1:111111111111:log-group:/aws/sagemaker/Endpoints/sdxl-dev",
    )


class FakeModelService:
    """What a model behind an AWS service sees and says. `answer` makes the body, or raises what the service would."""

    body_argument = "Body"

    def __init__(self, answer: Callable[[dict[str, Any]], bytes] = draw) -> None:
        self.answer = answer
        self.calls: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def answered(self, arguments: dict[str, Any]) -> io.BytesIO:
        """The body of the answer to a call, which is kept."""
        with self._lock:
            self.calls.append(arguments)
        return io.BytesIO(self.answer(json.loads(arguments[self.body_argument])))

    def answers(self, body: bytes) -> None:
        self.answer = lambda _: body

    def fails(self, error: Exception) -> None:
        def answer(_: dict[str, Any]) -> bytes:
            raise error

        self.answer = answer

    @property
    def payloads(self) -> list[dict[str, Any]]:
        """What the model was sent, in the order of the seeds."""
        sent = (json.loads(call[self.body_argument]) for call in self.calls)
        return sorted(sent, key=lambda payload: int(payload["seed"]))


class FakeRuntime(FakeModelService):
    """A `sagemaker-runtime` client."""

    def invoke_endpoint(self, **arguments: Any) -> dict[str, Any]:
        return {"Body": self.answered(arguments)}


class FakeS3:
    """An S3 client with one bucket, which writes no object twice where it must not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.objects: dict[str, tuple[bytes, str]] = {}
        self.metadata: dict[str, dict[str, str]] = {}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        ContentType: str,  # noqa: N803
        IfNoneMatch: str,  # noqa: N803
        Metadata: dict[str, str] | None = None,  # noqa: N803
    ) -> None:
        if self.error is not None:
            raise self.error
        assert IfNoneMatch == "*"
        if f"{Bucket}/{Key}" in self.objects:
            raise client_error("PreconditionFailed", status=412)
        self.objects[f"{Bucket}/{Key}"] = (Body, ContentType)
        self.metadata[f"{Bucket}/{Key}"] = Metadata or {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        if f"{Bucket}/{Key}" not in self.objects:
            # Without the right to list the bucket, S3 does not say that an object is missing.
            raise client_error("AccessDenied", status=403)
        name = f"{Bucket}/{Key}"
        return {"Body": io.BytesIO(self.objects[name][0]), "Metadata": self.metadata[name]}

    def generate_presigned_url(self, operation: str, *, Params: dict[str, str], ExpiresIn: int) -> str:  # noqa: N803
        return f"https://{Params['Bucket']}.s3.test/{Params['Key']}?op={operation}&expires={ExpiresIn}"


class FakeSageMaker:
    """A `sagemaker` client with one endpoint."""

    def __init__(self, status: str | Exception = "InService") -> None:
        self.status = status
        self.instances = 1
        self.calls = 0

    def describe_endpoint(self, *, EndpointName: str) -> dict[str, Any]:  # noqa: N803
        self.calls += 1
        if isinstance(self.status, Exception):
            raise self.status
        variants = [{"VariantName": "primary", "CurrentInstanceCount": self.instances}]
        return {"EndpointName": EndpointName, "EndpointStatus": self.status, "ProductionVariants": variants}


class FakeClock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class FakeContext:
    """Lambda's context."""

    function_name = "image-api"
    function_version = "1"
    memory_limit_in_mb = 1769
    invoked_function_arn = "arn:aws:lambda:us-east-1:111111111111:function:image-api:live"
    aws_request_id = "lambda-request-id"

    def __init__(self, remaining_milliseconds: int = 30_000) -> None:
        self._remaining_milliseconds = remaining_milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._remaining_milliseconds


def proxy_event(
    body: str | None = None,
    *,
    method: str = "POST",
    path: str = ENGINE_PATH,
    headers: dict[str, str] | None = None,
    is_base64: bool = False,
) -> dict[str, Any]:
    """An event as API Gateway's REST proxy integration sends it."""
    headers = {"Content-Type": "application/json"} if headers is None else headers
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "requestId": REQUEST_ID,
            "stage": "api",
            "path": f"/api{path}",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1"},
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


class Reply:
    """A proxy answer, read as a client would."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.status: int = answer["statusCode"]
        self.headers: dict[str, str] = {
            **{name.lower(): values[0] for name, values in answer.get("multiValueHeaders", {}).items()},
            **{name.lower(): value for name, value in answer.get("headers", {}).items()},
        }
        self.is_base64: bool = answer["isBase64Encoded"]
        self.text: str = answer["body"]

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def bytes(self) -> bytes:
        assert self.is_base64
        return base64.b64decode(self.text)

    @property
    def error(self) -> tuple[int, str]:
        """Status and name of an error, after checking its shape."""
        assert self.json.keys() == {"id", "name", "message"} | ({"problems"} if self.status == 400 else set())
        for problem in self.json.get("problems", ()):
            assert list(problem) == ["field", "message", "received", "allowed"]
            assert problem["message"]
            # What was sent is never echoed at length.
            assert len(str(problem["received"])) < 150
        assert self.json["id"] == self.headers["x-request-id"]
        assert self.headers["content-type"] == "application/json"
        return self.status, self.json["name"]


class ApplicationUnderTest:
    """The application on fakes, called as API Gateway calls it."""

    def __init__(self, runtime: FakeRuntime, *, signer: ImageSigner | None = None, **changes: Any) -> None:
        self.runtime = runtime
        self.s3 = FakeS3()
        self.sagemaker = FakeSageMaker()
        self.clock = FakeClock()
        fields: dict[str, Any] = {
            "environment": "dev",
            "model_source": "optimized",
            "endpoint_name": "sdxl-dev",
            "images_bucket": "images",
            "image_link_ttl_seconds": 3600,
            "timeout_seconds": 29,
            "cors_allow_origins": (),
            "console": ConsoleSettings(mode="api_key"),
        }
        self.settings = settings = Settings(**(fields | changes))
        self.published: list[dict[str, Any]] = []
        measurements = Measurements(settings, write=lambda line: self.published.append(json.loads(line)))
        self.records = FakeRecords()
        # Admission is tested by itself: without a table, everyone is admitted.
        health = EndpointHealth(
            endpoint_name=settings.endpoint_name, create_client=lambda: self.sagemaker, clock=self.clock
        )
        self._application = Application(
            settings,
            backend=create_backend(settings, runtime),
            image_store=ImageStore(
                bucket=settings.images_bucket,
                link_ttl_seconds=settings.image_link_ttl_seconds,
                create_client=lambda: self.s3,
                now=lambda: NOW,
            ),
            idempotency=Idempotency(
                records=self.records,
                images=KeptImages(bucket=settings.images_bucket, s3_client=lambda: self.s3),
                logger=Logger(),
            ),
            admission=Admission(table=None, endpoint_name=settings.endpoint_name, instances=health),
            endpoint_health=health,
            logger=Logger(),
            measurements=measurements,
            signer=signer,
        )

    def drawn(self, **fields: Any) -> tuple[GenerationRequest, GenerationResult]:
        """A request, and a result with an image for each of its samples."""
        request = GenerationRequest(text_prompts=(TextPrompt("a puppy"),), **fields)
        artifacts = tuple(Artifact("", seed, "SUCCESS") for seed in request.seeds())
        return request, GenerationResult(artifacts, variant="primary", source=self.settings.model_source)

    def handle(self, event: Any, context: FakeContext | None = None) -> Reply:
        context_argument: Any = context or FakeContext()
        return Reply(self._application.handle(event, context_argument))

    def post(self, body: str | None, context: FakeContext | None = None, **event: Any) -> Reply:
        return self.handle(proxy_event(body, **event), context)

    def generate(
        self,
        accept: str = "application/json",
        context: FakeContext | None = None,
        *,
        prefer: str = "",
        **fields: Any,
    ) -> Reply:
        """Ask for images; a prompt is added unless one is given."""
        body = {"text_prompts": [{"text": "a puppy"}], **fields}
        headers = {"Content-Type": "application/json", "Accept": accept, "Prefer": prefer}
        return self.post(json.dumps(body), context, headers=headers)

    def get(self, path: str, **event: Any) -> Reply:
        return self.handle(proxy_event(method="GET", path=path, **event))
