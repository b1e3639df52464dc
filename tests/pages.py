"""What is inside a page of ours."""

import base64
import gzip
import json
import re


def data_of(path):
    """The data that its script unpacks."""
    packed = re.search(r'id="data">([^<]*)<', path.read_text(encoding="utf-8"))[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))
