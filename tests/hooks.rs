//! Hooks as scripts write them: closures and interventions, their order, their errors.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::script;

/// A script that runs three short prompts of the embedded model with these hooks and prints `shown` of what
/// is left at `blocks.3.hook_mlp_out` (`value`).
fn with_hooks(hooks: &str, shown: &str) -> String {
    format!(
        r#"let model = load_model("mora/tiny-ipd");
let prompts = ["You play a game.", "You play again.", "Which action?"];
let hooks = {hooks};
let run = model.run_with_cache(prompts, #{{ sites: "blocks.3.hook_mlp_out", hooks: hooks }});
let value = run.cache["blocks.3.hook_mlp_out"][0];
print({shown});"#
    )
}

fn largest(hooks: &str) -> String {
    script::printed(&with_hooks(hooks, "`${value.min().item()} ${value.max().item()}`")).join("\n")
}

#[test]
fn hooks_on_one_site_run_in_the_order_of_the_array() {
    let both = |first: &str, second: &str| {
        largest(&format!("#{{ \"blocks.3.hook_mlp_out\": [{first}, {second}] }}"))
    };
    assert_eq!(both("zero_ablation()", "|act| act + 2.0"), "2.0 2.0");
    assert_eq!(both("|act| act + 2.0", "zero_ablation()"), "0.0 0.0");
    assert_eq!(both("|act| act * 0.0 + 1.0", "steer(full([64], 0.5), #{ strength: 3.0 })"), "2.5 2.5");
    assert_eq!(both("|act| act * 0.0 + 1.0", "|act| ()"), "1.0 1.0");
    let maps = r#"[#{ "blocks.3.*": |act| () }, #{ "blocks.*.hook_mlp_out": zero_ablation() },
        #{ "blocks.3.hook_mlp_out": |act| act + 4.0 }]"#;
    assert_eq!(largest(maps), "4.0 4.0");
}

#[test]
fn a_closure_sees_what_the_hooks_before_it_left_and_its_own_variables() {
    let hooks = r#"#{ "blocks.3.hook_mlp_out": [zero_ablation(), |act| { print(act.shape); print(act.max().item()); }] }"#;
    let printed = script::printed(&with_hooks(hooks, "value.max().item()"));
    let [shape, seen, left] = printed.as_slice() else { panic!("{printed:?}") };
    assert!(shape.starts_with("[3, ") && shape.ends_with(", 64]"), "{shape}");
    assert_eq!([seen.as_str(), left], ["0.0", "0.0"]);
    let text = format!(
        "let factor = 0.0;\n{}",
        with_hooks(r#"#{ "blocks.3.hook_mlp_out": |act| act * factor }"#, "value.max().item()")
    );
    assert_eq!(script::printed(&text), ["0.0"]);
}

/// The line of the script that a diagnostic points to.
fn line(error: &str) -> usize {
    let place = error.split("--> test.rhai:").nth(1).unwrap_or_else(|| panic!("{error}"));
    place.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn an_error_in_a_closure_points_into_it_and_names_the_site() {
    let hooks = "#{ \"blocks.*.hook_mlp_out\": |act| {\n    let x = act + 1.0;\n    x.squeeze(1)\n} }";
    let error = script::error(&with_hooks(hooks, "0"));
    assert_eq!(line(&error), 5, "{error}");
    assert!(error.starts_with("error: squeeze: expected length 1 on axis 1"), "{error}");
    assert!(error.contains("= in a closure, from test.rhai:7:"), "{error}");
    assert!(error.contains("= in the hook on blocks.0.hook_mlp_out, from test.rhai:7:"), "{error}");
}

#[test]
fn what_a_closure_throws_reaches_the_script() {
    let hooks = "#{ \"blocks.3.hook_mlp_out\": |act| { throw \"enough\"; } }";
    let error = script::error(&with_hooks(hooks, "0"));
    assert_eq!(line(&error), 3, "{error}");
    assert!(error.starts_with("error: enough"), "{error}");
    let caught = format!("try {{ {} }} catch (error) {{ print(error); }}", with_hooks(hooks, "0"));
    assert_eq!(script::printed(&caught), ["enough"]);
}

#[test]
fn what_a_closure_returns_must_fit_its_site() {
    let of = |closure: &str| {
        script::error(&with_hooks(&format!("#{{ \"blocks.3.hook_mlp_out\": {closure} }}"), "0"))
    };
    let error = of("|act| act.sum(2)");
    assert!(error.contains("blocks.3.hook_mlp_out: the replacement has shape [3, "), "{error}");
    assert!(error.contains("a hook returns a tensor of the shape it was given"), "{error}");
    assert_eq!(line(&error), 4, "{error}");
    let error = of("|act| \"text\"");
    assert!(
        error.contains("blocks.3.hook_mlp_out: a hook returns a tensor, or () to leave the value"),
        "{error}"
    );
    let error = of("3");
    assert!(
        error.contains("the hook on \"blocks.3.hook_mlp_out\" is a closure or an intervention"),
        "{error}"
    );
}

#[test]
fn sites_heads_and_positions_that_are_not_there_are_named() {
    let of = |hooks: &str| script::error(&with_hooks(hooks, "0"));
    let error = of("#{ \"blocks.26.hook_mlp_out\": zero_ablation() }");
    assert!(error.contains("this model has 26 layers: 0–25"), "{error}");
    let error = of("#{ \"blocks.3.attn.hook_z\": zero_ablation(#{ heads: [8] }) }");
    assert!(error.contains("blocks.3.attn.hook_z: there is no head 8"), "{error}");
    let error = of("#{ \"blocks.3.attn.hook_z\": zero_ablation(#{ heads: [-1] }) }");
    assert!(error.contains("heads"), "{error}");
    let error = of("#{ \"blocks.3.hook_mlp_out\": zero_ablation(#{ positions: 99 }) }");
    assert!(error.contains("prompt 0 has no position 99"), "{error}");
    let error = of("#{ \"blocks.3.hook_mlp_out\": zero_ablation(#{ position: 0 }) }");
    assert!(error.contains("did you mean \"positions\"?"), "{error}");
    let error = of("#{ \"blocks.3.hook_mlp_out\": knock_out(\"last\") }");
    assert!(error.contains("blocks.3.hook_mlp_out: there are no attention weights to knock out"), "{error}");
    let error = of("#{ \"blocks.3.hook_mlp_out\": resample_ablation([1, 0]) }");
    assert!(error.contains("2 rows to resample from, for 3 prompts"), "{error}");
    let error = of("#{ \"blocks.3.hook_mlp_out\": steer(zeros([63])) }");
    assert!(error.contains("the vector has shape [63], the value [3, "), "{error}");
}

#[test]
fn noise_takes_the_seed_of_the_run_unless_told() {
    let noisy = |options: &str| largest(&format!("#{{ \"blocks.3.hook_mlp_out\": noise(0.5, {options}) }}"));
    assert_eq!(noisy("#{}"), noisy("#{ seed: 0 }"));
    assert_ne!(noisy("#{}"), noisy("#{ seed: 1 }"));
    assert_eq!(noisy("#{ seed: 1 }"), noisy("#{ seed: 1 }"));
}
