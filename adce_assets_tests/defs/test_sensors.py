"""Sensors over a real S3 server: what has happened in the bucket becomes runs and recorded events, once."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from conftest import make_project  # pyrefly: ignore[missing-import] - pytest's own
