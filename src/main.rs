//! mora
fn main() {}
