//! Cells, cubes, contributions and their sums by day.
