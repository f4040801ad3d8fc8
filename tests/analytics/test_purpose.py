import pytest

from analytics.purpose import Purpose
from kernel.refusal import Malformed


class TestPurpose:
    def test_is_trimmed_and_normalised(self):
        purpose = Purpose.parse(officer="o-1", purpose="  cafe\u0301 check ", case=" 7/2017 ")
        assert (purpose.purpose, purpose.case) == ("café check", "7/2017")

    @pytest.mark.parametrize(
        ("purpose", "case", "faults"),
        [
            ("", "7", [("missing_field", "/purpose")]),
            (" \t", "\n", [("missing_field", "/purpose"), ("missing_field", "/case")]),
            ("x" * 256, "7", [("too_long", "/purpose")]),
            ("check", "7" * 65, [("too_long", "/case")]),
            ("check\0", "7\x1b", [("wrong_form", "/purpose"), ("wrong_form", "/case")]),
        ],
    )
    def test_refuses_with_all_faults(self, purpose, case, faults):
        with pytest.raises(Malformed) as refused:
            Purpose.parse(officer="o-1", purpose=purpose, case=case)
        assert [(fault.code, fault.path) for fault in refused.value.faults] == faults

    def test_takes_the_longest(self):
        assert len(Purpose.parse(officer="o", purpose="x" * 255, case="7" * 64).purpose) == 255
