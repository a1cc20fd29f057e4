//! F2: the pure reducer.
