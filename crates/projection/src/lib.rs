//! What a projection is: the trait, its rows, and how its stories are told in tests.
