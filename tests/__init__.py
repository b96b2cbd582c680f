"""Tests of the whole project; helpers that several of them use are modules beside them."""
