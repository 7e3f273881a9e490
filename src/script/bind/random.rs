//! Random numbers: from the run's stream, and from generators with seeds of their own.

use std::cell::RefCell;
use std::rc::Rc;

use rhai::plugin::*;

use crate::error::{Error, Result};
use crate::random::Random;
use crate::script::value::script_value;

script_value! { Generator: "a generator" }

/// A stream of random numbers that scripts share by copying.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    random: Rc<RefCell<Random>>,
}

#[export_module(manifest)]
pub mod random {
    use super::{between, choose};
    use crate::script::bind::prelude::*;

    /// A stream of random numbers with a seed of its own. Copies go on with the same stream.
    pub type Generator = super::Generator;

    /// Makes a generator: the same `seed`, 0 or more, gives the same numbers, whatever else a script draws.
    ///
    /// Errors: a seed below 0.
    ///
    /// Example: `let a = generator(7); let b = generator(7); a.rand_int(0, 1000) == b.rand_int(0, 1000)`
    /// is `true`
    #[rhai_fn(return_raw)]
    pub fn generator(seed: i64) -> ScriptResult<Generator> {
        let seed = argument::<u64>("generator", "seed", &seed.into())?;
        Ok(super::Generator { seed, random: std::rc::Rc::new(crate::random::Random::new(seed).into()) })
    }

    /// A random number in [0, 1), from the run's seeded stream.
    ///
    /// Errors: outside a run of mora, in an engine that another program made.
    ///
    /// Example: `let r = rand(); r >= 0.0 && r < 1.0` is `true`
    #[rhai_fn(name = "rand", return_raw, volatile)]
    pub fn rand(call: NativeCallContext) -> ScriptResult<f64> {
        Ok(Context::of(&call)?.random().uniform())
    }

    /// A random number in [0, 1), from a generator.
    ///
    /// Example: `let r = generator(7).rand(); r >= 0.0 && r < 1.0` is `true`
    #[rhai_fn(name = "rand", volatile)]
    pub fn rand_of(generator: Generator) -> f64 {
        generator.random.borrow_mut().uniform()
    }

    /// A random integer from `low` up to but not including `high`, from the run's seeded stream or from a
    /// generator.
    ///
    /// Errors: `low` not below `high`.
    ///
    /// Example: `[0, 1, 2, 3, 4, 5].contains(generator(7).rand_int(0, 6))` is `true`
    #[rhai_fn(return_raw, volatile)]
    pub fn rand_int(call: NativeCallContext, low: i64, high: i64) -> ScriptResult<i64> {
        Ok(between(&mut Context::of(&call)?.random(), low, high)?)
    }

    #[rhai_fn(name = "rand_int", return_raw, volatile)]
    pub fn rand_int_of(generator: Generator, low: i64, high: i64) -> ScriptResult<i64> {
        Ok(between(&mut generator.random.borrow_mut(), low, high)?)
    }

    /// A random number of the standard normal distribution, from the run's seeded stream or from a generator.
    ///
    /// Errors: outside a run of mora, in an engine that another program made.
    ///
    /// Example: `let random = generator(7); type_of(random.rand_normal())` is `f64`
    #[rhai_fn(return_raw, volatile)]
    pub fn rand_normal(call: NativeCallContext) -> ScriptResult<f64> {
        Ok(Context::of(&call)?.random().normal())
    }

    #[rhai_fn(name = "rand_normal", volatile)]
    pub fn rand_normal_of(generator: Generator) -> f64 {
        generator.random.borrow_mut().normal()
    }

    /// The elements of an array in a random order, of the run's seeded stream or of a generator.
    ///
    /// Errors: without a generator, outside a run of mora, in an engine that another program made.
    ///
    /// Example: `let layers = generator(7).shuffled([3, 1, 2]); layers.sort(); layers` is `[1, 2, 3]`
    #[rhai_fn(return_raw, volatile)]
    pub fn shuffled(call: NativeCallContext, array: Array) -> ScriptResult<Array> {
        let mut array = array;
        Context::of(&call)?.random().shuffle(&mut array);
        Ok(array)
    }

    #[rhai_fn(name = "shuffled", volatile)]
    pub fn shuffled_of(generator: Generator, array: Array) -> Array {
        let mut array = array;
        generator.random.borrow_mut().shuffle(&mut array);
        array
    }

    /// `count` different elements of an array, in a random order, of the run's seeded stream or of a generator.
    ///
    /// Errors: a count above the array's length.
    ///
    /// Example: `generator(7).sampled(["CC", "CD", "DC", "DD"], 2).len()` is `2`
    #[rhai_fn(return_raw, volatile)]
    pub fn sampled(call: NativeCallContext, array: Array, count: i64) -> ScriptResult<Array> {
        Ok(choose(&mut Context::of(&call)?.random(), array, count)?)
    }

    #[rhai_fn(name = "sampled", return_raw, volatile)]
    pub fn sampled_of(generator: Generator, array: Array, count: i64) -> ScriptResult<Array> {
        Ok(choose(&mut generator.random.borrow_mut(), array, count)?)
    }

    /// The generator's seed.
    #[rhai_fn(name = "to_string", name = "to_debug")]
    pub fn generator_to_string(generator: Generator) -> String {
        format!("generator({})", generator.seed)
    }
}

fn between(random: &mut Random, low: i64, high: i64) -> Result<i64> {
    if low >= high {
        return Err(Error::new(format!("rand_int: expected low < high, found {low} and {high}")));
    }
    Ok(low.wrapping_add_unsigned(random.below(high.abs_diff(low))))
}

fn choose(random: &mut Random, mut array: rhai::Array, count: i64) -> Result<rhai::Array> {
    let size = array.len();
    let Some(count) = usize::try_from(count).ok().filter(|count| *count <= size) else {
        return Err(Error::new(format!("sampled: expected a count of 0 to {size}, found {count}")));
    };
    random.shuffle(&mut array);
    array.truncate(count);
    Ok(array)
}
