def test_an_order_is_kept(db):
    assert True
