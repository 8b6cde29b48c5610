"""EC2's instance types by availability zone: moto's list of AWS's own, less those that an account does not have."""

from __future__ import annotations

from xml.etree.ElementTree import Element, fromstring, tostring

from werkzeug.wrappers import Response

from emulator.account.facts import Facts


def offered_only(response: Response, facts: Facts) -> Response:
    """The answer of DescribeInstanceTypeOfferings without the offerings that the account's facts take away."""
    if response.status_code != 200:
        return response
    root = fromstring(response.get_data())  # noqa: S314 - moto wrote it
    for offerings in [one for one in root.iter() if _name(one) == "instanceTypeOfferingSet"]:
        for item in list(offerings):
            fields = {_name(child): child.text or "" for child in item}
            gone = (*facts.not_offered.get("*", ()), *facts.not_offered.get(fields.get("location", ""), ()))
            if fields.get("instanceType") in gone:
                offerings.remove(item)
    return Response(tostring(root), content_type="text/xml")


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]
