//! One person's history: facts, what of them is in force, and the view a projection reads.
