"""Checks the catalog against itself: addresses that contradict their region, types that nobody knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from stacks.catalog.model import Catalog, OpenContainer, partition_of

_IMAGE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.(?P<suffix>amazonaws\.com(?:\.cn)?)"
    r"/(?P<repository>[a-z0-9/_-]+):(?P<tag>[\w.-]+)"
)
_PACKAGE_ARN = re.compile(
    r"arn:(?P<partition>[a-z-]+):sagemaker:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):model-package/(?P<name>[\w-]+)"
)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something in the catalog that is wrong or no longer true."""

    subject: str
    text: str
    catalog: str
    expected: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.text}: the catalog has {self.catalog}, expected {self.expected}"


def consistency_findings(catalog: Catalog) -> Iterator[Finding]:
    """What contradicts itself within the catalog."""
    for region, container in catalog.open.containers.items():
        yield from _container_findings(region, container, catalog.open.artifact_key)
    yield from _same_everywhere(
        "sdxl_open.json: image names",
        [container.image_uri.rpartition("/")[2] for container in catalog.open.containers.values()],
    )
    names = []
    for region, arn in catalog.optimized.package_arns.items():
        match = _PACKAGE_ARN.fullmatch(arn)
        subject = f"sdxl_optimized.json: {region}"
        if match is None:
            expected = f"arn:{partition_of(region)}:sagemaker:{region}:<account>:model-package/<name>"
            yield Finding(subject=subject, text="not a model package ARN", catalog=arn, expected=expected)
            continue
        names.append(match["name"])
        for what, found, wanted in (
            ("region", match["region"], region),
            ("partition", match["partition"], partition_of(region)),
        ):
            if found != wanted:
                yield Finding(subject=subject, text=f"{what} of the model package", catalog=found, expected=wanted)
    yield from _same_everywhere("sdxl_optimized.json: model package names", names)
    yield from _quota_code_findings(catalog)


def _container_findings(region: str, container: OpenContainer, artifact_key: str) -> Iterator[Finding]:
    subject = f"sdxl_open.json: {region}"
    suffix = "amazonaws.com.cn" if partition_of(region) == "aws-cn" else "amazonaws.com"
    match = _IMAGE.fullmatch(container.image_uri)
    if match is None or match["region"] != region or match["suffix"] != suffix:
        expected = f"<account>.dkr.ecr.{region}.{suffix}/<repository>:<tag>"
        yield Finding(subject=subject, text="address of the image", catalog=container.image_uri, expected=expected)
    if not container.content_bucket.endswith(f"-{region}"):
        expected = f"a bucket whose name ends in -{region}"
        yield Finding(subject=subject, text="content bucket", catalog=container.content_bucket, expected=expected)
    url = f"s3://{container.content_bucket}/{artifact_key}"
    if container.model_data_url != url:
        yield Finding(subject=subject, text="address of the artifact", catalog=container.model_data_url, expected=url)
    if "/prepack/" in artifact_key and "SAGEMAKER_SUBMIT_DIRECTORY" in container.environment:
        yield Finding(
            subject=subject,
            text="SAGEMAKER_SUBMIT_DIRECTORY beside a prepacked artifact, which carries its own code",
            catalog=container.environment["SAGEMAKER_SUBMIT_DIRECTORY"],
            expected="no such variable",
        )


def _same_everywhere(subject: str, values: list[str]) -> Iterator[Finding]:
    counts = Counter(values).most_common()
    for value, _ in counts[1:]:
        yield Finding(subject=subject, text="differs between regions", catalog=value, expected=counts[0][0])


def _quota_code_findings(catalog: Catalog) -> Iterator[Finding]:
    owners: dict[str, str] = {}
    for name, instance_type in catalog.instances.items():
        code = instance_type.quota_code
        if code is not None and owners.setdefault(code, name) != name:
            expected = f"a code of its own ({owners[code]} has this one)"
            yield Finding(subject=f"instance_types.json: {name}", text="quota code", catalog=code, expected=expected)
    for source in catalog.sources:
        for name in catalog.supported_instance_types(source):
            if catalog.instances[name].quota_code is None:
                yield Finding(
                    subject=f"instance_types.json: {name}",
                    text=f"quota code of a type that {source} runs on",
                    catalog="null",
                    expected="the code of '<name> for endpoint usage'",
                )
