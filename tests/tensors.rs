//! Tensors under all formats and shapes: nothing panics, and parts are what index arithmetic says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use candle_core::{DType, Device};
use mora::tensor::{Axis, Binary, NamedTensor, Pick, Reduction, Unary, cat, matmul, stack};
use proptest::prelude::*;

const DTYPES: [DType; 9] = [
    DType::F32,
    DType::F64,
    DType::F16,
    DType::BF16,
    DType::I64,
    DType::I32,
    DType::I16,
    DType::U32,
    DType::U8,
];

const SHAPES: [&[usize]; 8] = [&[], &[0], &[1], &[3], &[2, 3], &[2, 0, 3], &[1, 2, 3], &[2, 1, 3, 2]];

fn counting(dims: &[usize]) -> NamedTensor {
    let count: usize = dims.iter().product();
    NamedTensor::from_integers((0..count as i64).collect(), dims, &Device::Cpu).unwrap()
}

/// Every operation gives a tensor or an error, for every format and shape.
#[test]
fn nothing_panics() {
    let tensors: Vec<NamedTensor> = DTYPES
        .iter()
        .flat_map(|dtype| SHAPES.iter().map(|dims| counting(dims).to_dtype(*dtype).unwrap()))
        .collect();
    for x in &tensors {
        for op in [
            Unary::Negate,
            Unary::Abs,
            Unary::Exp,
            Unary::Log,
            Unary::Sqrt,
            Unary::Square,
            Unary::Tanh,
            Unary::Sigmoid,
            Unary::Relu,
            Unary::Gelu,
            Unary::Sin,
            Unary::Cos,
            Unary::Floor,
            Unary::Ceil,
            Unary::Round,
            Unary::Sign,
            Unary::Reciprocal,
        ] {
            let y = x.unary(op).unwrap_or_else(|error| panic!("{op:?} of {x}: {error}"));
            assert_eq!(y.dims(), x.dims());
        }
        let _ = x.power(0.5).unwrap();
        let _ = x.clamp(0.0, 1.0).unwrap();
        assert!(!x.summary().is_empty());
        let _ = x.to_nested().unwrap();
        for how in [
            Reduction::Sum,
            Reduction::Mean,
            Reduction::Variance { correction: 1 },
            Reduction::Deviation { correction: 0 },
            Reduction::Max,
            Reduction::Min,
            Reduction::Norm,
        ] {
            let _ = x.reduce(how, None, false);
            for axis in -5..5 {
                let _ = x.reduce(how, Some(&[Axis::Number(axis)]), true);
            }
        }
        for axis in -5..5 {
            let axis = Axis::Number(axis);
            let _ = x.softmax(&axis);
            let _ = x.log_softmax(&axis);
            let _ = x.arg_extreme(&axis, true);
            let _ = x.running_sum(&axis);
            let _ = x.sorted(&axis, true);
            let _ = x.top(1, &axis);
            let _ = x.squeeze(&axis);
            let _ = x.transpose(&axis, &Axis::Number(0));
            let _ = cat(&[x.clone(), x.clone()], &axis);
        }
        for place in [-9, -1, 0, 9] {
            let _ = x.unsqueeze(place);
            let _ = stack(&[x.clone(), x.clone()], place);
            let _ = x.with_part(&[Pick::At(place)], &counting(&[]));
        }
        for y in &tensors {
            for op in [
                Binary::Add,
                Binary::Subtract,
                Binary::Multiply,
                Binary::Divide,
                Binary::Maximum,
                Binary::Minimum,
                Binary::Equal,
                Binary::Less,
                Binary::GreaterOrEqual,
            ] {
                // Formats never refuse each other; shapes may.
                if let Err(error) = x.binary(op, y) {
                    assert!(error.what().contains("shapes"), "{op:?} of {x} and {y}: {error}");
                }
            }
            let _ = x.choose(y, y);
            match matmul(x, y) {
                Ok(_) => {}
                Err(error) => assert!(error.what().starts_with("cannot multiply"), "{x} · {y}: {error}"),
            }
        }
    }
}

/// A pick that may or may not fit an axis of `length`.
fn pick(length: usize) -> impl Strategy<Value = Pick> {
    let reach = -(length as i64) - 1..length as i64 + 2;
    prop_oneof![
        Just(Pick::All),
        reach.clone().prop_map(Pick::At),
        (reach.clone(), proptest::option::of(reach.clone())).prop_map(|(start, end)| Pick::Range(start, end)),
        proptest::collection::vec(reach, 0..4).prop_map(Pick::Many),
    ]
}

/// The places that a pick names, or none where it is outside the axis.
fn places(pick: &Pick, length: usize) -> Option<Vec<usize>> {
    let length = length as i64;
    let from_start = |place: i64| if place < 0 { place + length } else { place };
    let inside =
        |place: i64| Some(from_start(place)).filter(|place| (0..length).contains(place)).map(|p| p as usize);
    match pick {
        Pick::All => Some((0..length as usize).collect()),
        Pick::At(place) => Some(vec![inside(*place)?]),
        Pick::Range(start, end) => {
            let (start, end) = (from_start(*start), end.map_or(length, from_start));
            (0 <= start && start <= end && end <= length).then(|| (start as usize..end as usize).collect())
        }
        Pick::Many(places) => places.iter().map(|place| inside(*place)).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parts_are_what_index_arithmetic_says(
        (rows, columns, first, second) in (0_usize..4, 1_usize..5)
            .prop_flat_map(|(rows, columns)| (Just(rows), Just(columns), pick(rows), pick(columns)))
    ) {
        let part = counting(&[rows, columns]).pick(&[first.clone(), second.clone()]);
        match (places(&first, rows), places(&second, columns)) {
            (Some(first), Some(second)) => {
                let expected: Vec<i64> = first
                    .iter()
                    .flat_map(|row| second.iter().map(move |column| (row * columns + column) as i64))
                    .collect();
                let found = part.unwrap().flatten().unwrap().tensor().to_vec1::<i64>().unwrap();
                prop_assert_eq!(found, expected);
            }
            _ => prop_assert!(part.is_err()),
        }
    }

    #[test]
    fn replacing_a_part_changes_that_part_alone(
        (rows, columns, first, second) in (1_usize..4, 1_usize..5)
            .prop_flat_map(|(rows, columns)| (Just(rows), Just(columns), pick(rows), pick(columns)))
    ) {
        let whole = counting(&[rows, columns]);
        let picks = [first.clone(), second.clone()];
        let minus_one = whole.integer_like(-1).unwrap();
        match (places(&first, rows), places(&second, columns)) {
            (Some(first_places), Some(second_places))
                if !matches!(first, Pick::Many(_)) && !matches!(second, Pick::Many(_)) =>
            {
                let changed = whole.with_part(&picks, &minus_one).unwrap();
                let values = changed.flatten().unwrap().tensor().to_vec1::<i64>().unwrap();
                for (at, value) in values.iter().enumerate() {
                    let inside = first_places.contains(&(at / columns)) && second_places.contains(&(at % columns));
                    prop_assert_eq!(*value, if inside { -1 } else { at as i64 });
                }
            }
            _ => prop_assert!(whole.with_part(&picks, &minus_one).is_err()),
        }
    }

    #[test]
    fn npy_and_safetensors_bring_back_what_was_saved(
        values in proptest::collection::vec(proptest::num::f32::NORMAL, 0..24), columns in 1_usize..4
    ) {
        let rows = values.len() / columns;
        let values: Vec<f64> = values[..rows * columns].iter().map(|value| f64::from(*value)).collect();
        let tensor = NamedTensor::from_numbers(values, &[rows, columns], DType::F32, &Device::Cpu).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for name in ["x.npy", "x.safetensors"] {
            let path = folder.path().join(name);
            mora::tensor::save(&tensor, &path).unwrap();
            prop_assert!(mora::tensor::load(&path, &Device::Cpu).unwrap().is_close(&tensor, 0.0).unwrap());
        }
    }

    #[test]
    fn bytes_that_are_no_file_are_errors(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let mut lying = b"\x93NUMPY\x01\x00".to_vec();
        lying.extend(&bytes);
        for (name, bytes) in [("x.npy", &bytes), ("y.npy", &lying), ("x.safetensors", &bytes)] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            prop_assert!(mora::tensor::load(&path, &Device::Cpu).is_err());
        }
    }
}
