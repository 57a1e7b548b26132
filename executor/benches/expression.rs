//! How long an expression takes. The aims: a plain path under 100 ns, a text of three paths under 300 ns.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use flowmatic_executor::expression::Template;
use flowmatic_executor::testing::identity;
use flowmatic_executor::{Context, Payload, Plan, Secrets, Time};
use serde_json::json;
use uuid::Uuid;

fn expressions(criterion: &mut Criterion) {
    let body = json!({
        "event": "order.created",
        "data": {
            "id": 4711, "amount": 99.5, "currency": "EUR", "name": "Ada",
            "items": [{"sku": "a", "count": 2}, {"sku": "b", "count": 1}],
        },
    });
    let payload = Payload {
        body,
        ..Payload::default()
    };
    let secrets = Arc::new(Secrets::default());
    let context = Context::new(identity(Uuid::nil()), Arc::new(Plan::default()), secrets, payload);
    for (name, text) in [
        ("plain path", "{{data.amount}}"),
        (
            "text of three paths",
            "{{data.name}} owes {{data.amount}} {{data.currency}}",
        ),
        (
            "condition",
            "{{and (gt data.amount 50) (eq event \"order.created\")}}",
        ),
        (
            "each",
            "{{#each data.items}}{{count}} x {{sku}}{{#unless @last}}, {{/unless}}{{/each}}",
        ),
    ] {
        let template = Template::compile(text).expect("it is a template");
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let view = context.view(0, Time::UNIX_EPOCH, &[]);
                let value = black_box(&template).evaluate(black_box(&view));
                black_box(value.is_ok())
            });
        });
    }
    criterion.bench_function("compile", |bencher| {
        bencher.iter(|| Template::compile(black_box("{{data.name}} owes {{data.amount}}")).is_ok());
    });
}

criterion_group!(benches, expressions);
criterion_main!(benches);
