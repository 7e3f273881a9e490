//! What templates print, and the ends of those that do not come to one.
#![allow(clippy::unwrap_used)]

use super::*;

fn template(text: &str) -> Result<ChatTemplate> {
    let named = [("bos_token".to_owned(), "<s>".to_owned())].into();
    ChatTemplate::new(text.to_owned(), &Special { named, ..Special::default() })
}

fn rendered(text: &str) -> Result<String> {
    let messages = [Message::user(" a <b> "), Message { role: "assistant".into(), content: "é".into() }];
    template(text)?.render(&messages, true)
}

/// Expected texts from `tokenizer.apply_chat_template` of transformers 5.23.0.
#[test]
fn templates_render_as_in_transformers() {
    for (text, expected) in [
        (
            "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m.content | trim }}{% endfor %}",
            "<s>[user]a <b>[assistant]é",
        ),
        ("{%- if tools is none and add_generation_prompt %}\n  x\n{% endif %}\n", "  x\n"),
        (
            "{% for m in messages %}\n{% if loop.first %}{% continue %}{% endif %}\n{{ m.content }}\n{% endfor %}",
            "é\n",
        ),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "2",
        ),
        (
            "{{ messages | tojson }}",
            r#"[{"role": "user", "content": " a <b> "}, {"role": "assistant", "content": "é"}]"#,
        ),
        (
            "{{ {'a': [1, 2.5, true, none]} | tojson(indent=2) }}",
            "{\n  \"a\": [\n    1,\n    2.5,\n    true,\n    null\n  ]\n}",
        ),
        (
            "{% for m in messages %}{% generation %}{{ m.content }}{%- endgeneration -%}\n{% endfor %}",
            " a <b> é",
        ),
        ("{{ messages[0].content.strip().upper().split(' ')[-1] }}{{ messages[1:] | length }}", "<B>1"),
        ("{{ messages[0]['content'].startswith(' a') and 'b' in messages[0].content }}", "True"),
        ("{% for k, v in messages[1].items() %}{{ k }}={{ v }};{% endfor %}", "role=assistant;content=é;"),
    ] {
        assert_eq!(rendered(text).unwrap(), expected, "{text}");
    }
    assert!(rendered("{{ strftime_now('%Y') }}").unwrap().starts_with("20"));
}

#[test]
fn a_template_that_fails_says_why() {
    let fault = |text: &str| rendered(text).unwrap_err().to_string();
    let raised = fault("\n{{ raise_exception('no ' ~ 'system role') }}");
    assert!(raised.contains("no system role") && raised.contains("line 2"), "{raised}");
    assert!(fault("{{ strftime_now('%Q') }}").contains("no format of a time"));
    assert!(fault("{{ messages | nothing }}").contains("nothing"));
    assert!(fault("{% for x in %}").contains("does not parse"));
}

/// Each would take more memory or time than there is.
#[test]
fn a_template_that_never_ends_is_stopped() {
    let doubled = |step: &str, end: &str| {
        format!(
            "{{% macro twice(x) %}}{{{{ x }}}}{{{{ x }}}}{{% endmacro %}}{{% set ns = namespace(x='ab', y='ab') %}}\
             {{% for i in range(99) %}}{step}{{% endfor %}}{end}"
        )
    };
    for text in [
        // Too many steps, or calls.
        "{% macro f(x) %}{{ f(x) }}{{ f(x) }}{% endmacro %}{{ f(1) }}",
        "{% for m in messages recursive %}{{ loop(messages) }}{% endfor %}",
        "{% for i in range(1000000000) %}{{ i }}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        // One step that gives too much.
        "{{ 'a' * 10**9 }}",
        "{{ ('a' * 10**7) * 10**7 }}",
        "{{ 'a' * 10**7 }}",
        "{{ '%1000000000s' | format('a') }}",
        "{{ 'a' | indent(1000000000, true) }}",
        "{{ ('a\n' * 99999) | indent(99999) }}",
        "{{ ('a' * 99999).replace('a', 'b' * 99999) }}",
        "{{ ('a' * 99999) | replace('a', 'b' * 99999) }}",
        "{{ ('b' * 99999).join(['a'] * 99999) }}",
        "{{ [1] | batch(1000000000, 1) | list }}",
        "{{ [1] | slice(1000000000, 1) | list }}",
        "{{ ([1] * 99999 * 99999) | list }}",
        // One step that takes too long.
        "{{ ([1] * 99999 * 99999) | max }}",
        "{{ (range(99999) | list) * 99999 == (range(99999) | list) * 99999 }}",
        // Values that grow with every turn of a loop.
        &doubled("{% set ns.x = ns.x ~ ns.x %}", ""),
        &doubled("{% set ns.x = ns.x + ns.x %}", ""),
        &doubled("{% set ns.x = ns.x * 2 %}", ""),
        &doubled("{% set ns.x = ns.x.replace('a', 'aa') %}", ""),
        &doubled("{% set ns.x = twice(ns.x) %}", ""),
        &doubled("{% set x %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = x %}", ""),
        &doubled("{% set ns.x = [ns.x, ns.x] %}", "{{ ns.x }}"),
        &doubled("{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}", "{{ ns.x == ns.y }}"),
        &doubled("{% set ns.x = {'a': ns.x, 'b': ns.x} %}", "{{ ns.x | tojson }}"),
        &format!("{{% for a in range(99999) %}}{}{{% endfor %}}", "raw ".repeat(10_000)),
        // A text that is long itself.
        &" ".repeat(1 << 20),
    ] {
        let error = rendered(text).unwrap_err().to_string();
        assert!(error.starts_with("the chat template "), "{text:.300}: {error}");
    }
}

/// The parser and the values go down the stack, as deep as the longest template can ask for.
#[test]
fn a_template_that_nests_deeply_is_read_or_refused() {
    let fill = |part: &str| part.repeat((SOURCE - 100) / part.len());
    let in_loop =
        "{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}";
    for text in [
        &format!("{{{{ {}1 }}}}", fill("(")),
        &format!("{{{{ {}1 }}}}", fill("[")),
        &format!("{{{{ {}1 }}}}", fill("-")),
        &format!("{{{{ {}1 }}}}", fill("not ")),
        &format!("{{{{ 1{} }}}}", fill("~1")),
        &format!("{{{{ 1{} }}}}", fill("if 1 else 1 ")),
        &format!("{{{{ x{} }}}}", fill("|e")),
        &format!("{{{{ x{} }}}}", fill(".x")),
        &format!("{{% if 0 %}}{}{{% endif %}}", fill("{%elif 0%}")),
        &fill("{%if 1%}"),
        &format!("{in_loop}{{{{ ns.x }}}}"),
        &format!("{in_loop}{{{{ ns.x == ns.x }}}}{{{{ ns.x | tojson }}}}"),
    ] {
        // A stack that is too small would end the process.
        if let Err(error) = rendered(text) {
            assert!(error.what().starts_with("the chat template "), "{text:.40}: {error}");
        }
    }
}

#[test]
fn a_template_that_was_stopped_is_not_tried_again() {
    let chat =
        template("{% if messages | length > 1 %}{{ [1] | batch(1000000000, 1) | list }}{% endif %}").unwrap();
    let one = [Message::user("a")];
    let two = [Message::user("a"), Message::user("b")];
    assert_eq!(chat.render(&one, false).unwrap(), "");
    let error = chat.render(&two, false).unwrap_err();
    assert!(error.what().contains("more than 64 MiB") && error.help().is_some(), "{error}");
    assert_eq!(chat.render(&one, false).unwrap_err().to_string(), error.to_string());
}

#[test]
fn a_conversation_may_be_long() {
    let chat =
        template("{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>{% endfor %}");
    let long = vec![Message::user("a".repeat(1 << 20)); 40];
    assert_eq!(chat.unwrap().render(&long, true).unwrap().len(), 40 * ((1 << 20) + 13));
    let chat =
        template("{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>{% endfor %}");
    let many = vec![Message::user("a"); 20_000];
    assert_eq!(chat.unwrap().render(&many, true).unwrap().len(), 20_000 * 14);
}
