//! On templates that both accept, our evaluator and the library's own renderer give the same text.

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Handlebars, no_escape};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::context;
use super::{Template, bounds};

/// The scopes a part of a template stands in, and so what its names are.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Here {
    Top,
    /// In `{{#with user}}` or in an object of `items`.
    Object,
    /// In a text or number of `words` or of `counts`.
    Scalar,
}

fn body() -> impl Strategy<Value = Value> {
    let word = "[a-z ]{0,3}";
    let item = (0u8..3, word, any::<bool>()).prop_map(|(n, s, b)| json!({"n": n, "s": s, "b": b}));
    (
        0u8..3,
        word,
        any::<bool>(),
        item.clone(),
        prop::collection::vec(item, 1..4),
        prop::collection::vec(word, 1..4),
        prop::collection::btree_map("[a-c]", 0u8..3, 1..3),
    )
        .prop_map(|(n, s, b, user, items, words, counts)| {
            json!({"n": n, "s": s, "b": b, "z": null, "user": user, "items": items, "words": words, "counts": counts})
        })
}

/// A path to a scalar.
fn path(here: Here) -> BoxedStrategy<String> {
    let top = vec![
        "n",
        "s",
        "b",
        "z",
        "user.n",
        "user/s",
        "user.[b]",
        "items.[0].n",
        "items.0.s",
        "words.[0]",
        "this.n",
        "./s",
        "@root.user.n",
    ];
    let paths = match here {
        Here::Top => top,
        Here::Object => vec!["n", "s", "b", "this.n", "./s", "@root.s", "@root.items.[0].n"],
        Here::Scalar => vec!["this", "@root.user.s", "@root.n", "@first", "@last", "@index"],
    };
    prop::sample::select(paths).prop_map(str::to_owned).boxed()
}

fn number(here: Here) -> BoxedStrategy<String> {
    match here {
        Here::Scalar => prop::sample::select(vec!["@root.n", "@root.user.n", "1", "0"]).boxed(),
        _ => prop::sample::select(vec![
            "n",
            "1",
            "2",
            "(len @root.items)",
            "(lookup @root.user \"n\")",
        ])
        .boxed(),
    }
    .prop_map(str::to_owned)
    .boxed()
}

fn condition(here: Here) -> BoxedStrategy<String> {
    let two = (number(here), number(here));
    let compared = (
        prop::sample::select(vec!["eq", "ne", "gt", "gte", "lt", "lte"]),
        two,
    )
        .prop_map(|(name, (one, other))| format!("({name} {one} {other})"));
    let leaf = prop_oneof![path(here), compared];
    leaf.prop_recursive(2, 8, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("(not {one})")),
            (prop::sample::select(vec!["and", "or"]), inner.clone(), inner)
                .prop_map(|(name, one, other)| format!("({name} {one} {other})")),
        ]
    })
    .boxed()
}

fn template(here: Here, depth: u32) -> BoxedStrategy<String> {
    let space = prop::sample::select(vec!["", " ", "\n", "\n  "]);
    let text = "[a-z.<&]{0,3}";
    let print = (path(here), prop::bool::ANY, prop::bool::ANY).prop_map(|(path, before, after)| {
        let tilde = |yes| if yes { "~" } else { "" };
        format!("{{{{{}{path}{}}}}}", tilde(before), tilde(after))
    });
    let call = condition(here).prop_map(|call| {
        let inner = call.strip_prefix('(').and_then(|call| call.strip_suffix(')'));
        format!("{{{{{}}}}}", inner.unwrap_or(&call))
    });
    let comment = Just("{{!-- a {{comment}} --}}".to_owned());
    let leaf = prop_oneof![
        (text, space).prop_map(|(text, space)| text + space),
        print,
        call,
        comment,
        Just(r"\{{n}}".to_owned()),
    ];
    if depth == 0 {
        return prop::collection::vec(leaf, 0..4)
            .prop_map(|parts| parts.concat())
            .boxed();
    }
    let inner = |here| template(here, depth - 1);
    let branch = (
        prop::sample::select(vec!["if", "unless"]),
        condition(here),
        inner(here),
        prop::option::of((condition(here), inner(here))),
        prop::option::of(inner(here)),
    )
        .prop_map(|(name, condition, then, chain, otherwise)| {
            let chain = chain.map(|(condition, then)| format!("{{{{else if {condition}}}}}{then}"));
            let otherwise = otherwise.map(|otherwise| format!("{{{{else}}}}{otherwise}"));
            format!(
                "{{{{#{name} {condition}}}}}{then}{}{}{{{{/{name}}}}}",
                chain.unwrap_or_default(),
                otherwise.unwrap_or_default()
            )
        });
    let each = prop_oneof![
        inner(Here::Object).prop_map(|body| format!("{{{{#each @root.items}}}}{body}{{{{@index}}}}{{{{/each}}}}")),
        inner(Here::Scalar).prop_map(move |body| {
            // Only an object has fields.
            let outer = if here == Here::Scalar { "@root.n" } else { "../n" };
            format!("{{{{#each @root.words}}}}{body}{{{{{outer}}}}}{{{{/each}}}}")
        }),
        inner(Here::Scalar).prop_map(|body| format!("{{{{#each @root.counts}}}}{{{{@key}}}}{body}{{{{/each}}}}")),
        inner(Here::Object).prop_map(|body| {
            format!("{{{{#each @root.items as |one at|}}}}{{{{one.s}}}}{{{{at}}}}{body}{{{{else}}}}none{{{{/each}}}}")
        }),
    ];
    let with = inner(Here::Object).prop_map(|body| format!("{{{{#with @root.user}}}}{body}{{{{/with}}}}"));
    prop::collection::vec(prop_oneof![4 => leaf, 1 => branch, 1 => each, 1 => with], 0..5)
        .prop_map(|parts| parts.concat())
        .boxed()
}

fn library(template: &str, body: &Value) -> Result<String, String> {
    let mut library = Handlebars::new();
    library.set_strict_mode(true);
    library.register_escape_fn(no_escape);
    library
        .render_template(template, body)
        .map_err(|error| error.to_string())
}

fn ours(template: &str, body: &Value) -> Result<String, String> {
    let context = context(body.clone());
    let view = context.view(2, Default::default(), &[]);
    let template = Template::compile(template).map_err(|mistakes| mistakes.errors[0].to_string())?;
    // As text, also where it is one expression.
    template.render(&view, false).map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn renders_what_the_library_renders(template in template(Here::Top, 3), body in body()) {
        prop_assert_eq!(ours(&template, &body), library(&template, &body), "{}", template);
    }

    #[test]
    fn finds_all_depth_before_the_parser_does(text in scraps()) {
        if let Ok(parsed) = handlebars::Template::compile(&text) {
            let depth = depth_of_parts(&parsed.elements);
            if depth > 0 {
                prop_assert!(bounds::check_within(&text, depth - 1).is_err(), "{} levels: {}", depth, text);
            }
        }
        if let Ok(template) = Template::compile(&text) {
            let context = context(json!({"a": [1, {"b": null}]}));
            let _ = template.evaluate(&context.view(2, Default::default(), &[]));
        }
    }
}

/// Text made of what could fool who looks for the ends of tags: most of it is a template still.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop::sample::select(vec![
        "{{",
        "}}",
        "{{{",
        "}}}",
        "~",
        "#",
        "/",
        "^",
        "&",
        "--",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "\\",
        " ",
        "a",
        "5",
        ".",
        "@",
        "=",
        "|",
        ",",
        "}}{{/if}}",
        "{{#if a}}",
        "{{/if}}",
        "--}}",
        "{{!--",
        "{{!",
        "5.[",
        "a.[",
    ]);
    let noise = prop::collection::vec(scrap, 0..5).prop_map(|scraps| scraps.concat());
    let argument = (noise.clone(), 0usize..9).prop_map(|(noise, kind)| match kind {
        0 => format!("\"{noise}\""),
        1 => format!("'{noise}'"),
        2 => format!("[{noise}]"),
        3 => format!("a.[{noise}]"),
        4 => format!("@[{noise}]"),
        5 => format!("(eq a {noise})"),
        6 => format!("[\"{noise}\"]"),
        7 => format!("{{\"a\": [\"{noise}\"]}}"),
        _ => noise,
    });
    let arguments = prop::collection::vec(argument, 1..3).prop_map(|arguments| arguments.join(" "));
    let part = (arguments, noise, 0usize..12).prop_map(|(arguments, noise, kind)| match kind {
        0 | 1 => format!("{{{{#if {arguments}}}}}"),
        2 => "{{#if a}}".to_owned(),
        3 | 4 => "{{/if}}".to_owned(),
        5 => format!("{{{{else if {arguments}}}}}"),
        6 => format!("{{{{!-- {noise} --}}}}"),
        7 => format!("{{{{! {noise} }}}}"),
        8 => format!("{{{{eq {arguments}}}}}"),
        9 => format!("{{{{{{{arguments}}}}}}}"),
        10 => format!("\\{{{{{noise}"),
        _ => noise,
    });
    (prop::collection::vec(part, 0..8), 0usize..5)
        .prop_map(|(parts, closing)| parts.concat() + &"{{/if}}".repeat(closing))
}

/// How deep blocks nest, or calls in one tag, whichever is more.
fn depth_of_parts(parts: &[TemplateElement]) -> usize {
    blocks(parts).max(calls(parts))
}

fn blocks(parts: &[TemplateElement]) -> usize {
    // An `else` that chains is a block alone.
    let depth = |part| branches(part).map(|branch| blocks(branch) + 1).max();
    parts.iter().filter_map(depth).max().unwrap_or(0)
}

fn calls(parts: &[TemplateElement]) -> usize {
    let depth = |part: &TemplateElement| {
        let own = match part {
            TemplateElement::Expression(call)
            | TemplateElement::HtmlExpression(call)
            | TemplateElement::HelperBlock(call) => depth_of_call(call),
            _ => 0,
        };
        branches(part).map(calls).fold(own, usize::max)
    };
    parts.iter().map(depth).max().unwrap_or(0)
}

fn branches(part: &TemplateElement) -> impl Iterator<Item = &[TemplateElement]> {
    let (body, otherwise) = match part {
        TemplateElement::HelperBlock(block) => (block.template.as_ref(), block.inverse.as_ref()),
        _ => (None, None),
    };
    body.into_iter()
        .chain(otherwise)
        .map(|branch| branch.elements.as_slice())
}

fn depth_of_call(call: &HelperTemplate) -> usize {
    let parameters = call.params.iter().chain(call.hash.values()).chain([&call.name]);
    let depth = |parameter: &Parameter| match parameter {
        Parameter::Subexpression(inner) => match inner.as_element() {
            TemplateElement::Expression(call) => depth_of_call(call) + 1,
            _ => 0,
        },
        _ => 0,
    };
    parameters.map(depth).max().unwrap_or(0)
}
