"""The original bytes without what is personal: that is gone, and every other byte is as it was sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pos_gateway.posapi.privacy import original_without_personal_data
from tests.pos_gateway.posapi.bodies import BUYER, changed, octets

CARD = {"terminalID": "11111", "rrn": "123456789123", "maskedCardNumber": "123456XXXXXX7890", "easy": True}
PERSON = "УБ10038071"


class TestOriginal:
    def test_is_the_same_byte_for_byte_but_for_what_is_personal(self) -> None:
        body = octets(changed(customerTin="110718991986", p0_data=CARD))
        expected = body.replace(b'"10038071"', b"null").replace(
            b'"customerTin": "110718991986"', b'"customerTin": null'
        )
        expected = expected.replace(json.dumps(CARD).encode(), b"null")
        assert original_without_personal_data(body) == expected
        assert expected != body

    def test_stays_whole_where_nothing_is_personal(self) -> None:
        body = (
            b'\xef\xbb\xbf {"a" :\t[1.50, "consumerNo", {"b":"\\u0411: \\"x\\" , {"}] ,"customerTin":"' + BUYER.encode()
        )
        body += b'" , "merchantTin": 110718991986, "data": {"x": 1}}\r\n'
        assert original_without_personal_data(body) == body

    @pytest.mark.parametrize(
        ("body", "kept"),
        [
            ('{"CONSUMERNO":10038071}', '{"CONSUMERNO":null}'),
            ('{"consumer\\u004eo" : "1" , "b":2}', '{"consumer\\u004eo" : null , "b":2}'),
            ('{"consumerNo":"1","consumerNo":["2",{"x":"3"}]}', '{"consumerNo":null,"consumerNo":null}'),
            ('{"consumerNo":null}', '{"consumerNo":null}'),
            ('{"receipts":[{"customerTin":" 123456789012 "}]}', '{"receipts":[{"customerTin":null}]}'),
            ('{"customerTin":"\\u0031\\u00323456789012"}', '{"customerTin":null}'),
            ('{"customerTin":12345678901234}', '{"customerTin":null}'),
            ('{"customerTin":"12345678901"}', '{"customerTin":"12345678901"}'),
            ('{"data":{"rrn":"1","x":[{"bankCode":5}]}}', '{"data":{"rrn":null,"x":[{"bankCode":null}]}}'),
            (
                '{"Payments":[{"DATA":{"any":1},"code":"CASH"}],"data":1}',
                '{"Payments":[{"DATA":null,"code":"CASH"}],"data":1}',
            ),
            ('{"a":["rrn",":",{"rrn" :1e5}]}', '{"a":["rrn",":",{"rrn" :null}]}'),
            ('{"rrn":' + "9" * 5000 + "}", '{"rrn":null}'),
        ],
    )
    def test_in_every_spelling_and_place(self, body: str, kept: str) -> None:
        assert original_without_personal_data(body.encode()) == kept.encode()

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["consumerNo", "rrn", "a", 'b"', "payments", "data"]), inner, max_size=3
                )
            ),
            max_leaves=12,
        ),
        st.sampled_from([None, 1, "\t"]),
    )
    def test_reads_as_the_original_but_for_what_is_personal(self, value: object, indent: int | str | None) -> None:
        kept = original_without_personal_data(json.dumps(value, indent=indent, ensure_ascii=False).encode())
        assert json.loads(kept) == without(value)


def without(value: object, *, of_payment: bool = False) -> object:
    if isinstance(value, list):
        return [without(item, of_payment=of_payment) for item in value]
    if not isinstance(value, dict):
        return value
    gone = {"consumerNo", "rrn", "data"} if of_payment else {"consumerNo", "rrn"}
    return {
        name: None if name in gone else without(item, of_payment=of_payment or name == "payments")
        for name, item in value.items()
    }
