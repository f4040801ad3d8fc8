"""`POST /v1/receipts/signed`: links of tills are stored exactly once, whatever way they come."""

import pytest

from tests.serving import Centre
from tests.signing import SigningTill, add_signing_till, findings, statuses


@pytest.fixture
def till(centre: Centre) -> SigningTill:
    return add_signing_till(centre)


class TestUploading:
    def test_stores_a_chain_in_order(self, till: SigningTill) -> None:
        links = [till.start(), *till.sell_many(5)]
        verdicts = till.upload(links)
        assert statuses(verdicts) == [201] * 6
        assert findings(verdicts) == [[]] * 6
        assert [verdict["hash"] for verdict in verdicts] == [link.receipt_hash.hex() for link in links]
        assert [verdict["receipt"]["id"] for verdict in verdicts] == [str(link.id) for link in links]
        assert till.stored() == [(link.counter, link.receipt_hash) for link in links]

    def test_answers_the_same_bytes_again(self, till: SigningTill) -> None:
        links = [till.start(), *till.sell_many(3)]
        till.upload(links[:2])
        assert statuses(till.upload(links)) == [200, 200, 201, 201]
        assert statuses(till.upload(links)) == [200] * 4
        assert len(till.stored()) == 4
