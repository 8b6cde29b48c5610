"""A file or folder that the CDK uploads before it deploys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from constructs import Construct


class FileAsset(Construct):
    """Staged copy of `path`, and where it will lie in S3. A folder is uploaded as a zip archive.

    Made of the CDK's core alone: `aws_s3_assets.Asset` does the same, and loads the libraries of S3 and KMS for its
    read grants.
    """

    def __init__(self, scope: Construct, construct_id: str, *, path: Path, exclude: Sequence[str] = ()) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        staging = cdk.AssetStaging(self, "Staging", source_path=str(path), exclude=list(exclude))
        self.content_hash = staging.asset_hash
        location = stack.synthesizer.add_file_asset(
            source_hash=self.content_hash,
            file_name=staging.relative_staged_path(stack),
            packaging=cdk.FileAssetPackaging.ZIP_DIRECTORY if path.is_dir() else cdk.FileAssetPackaging.FILE,
            display_name=self.node.path,
        )
        self.bucket_name = location.bucket_name
        self.object_key = location.object_key
