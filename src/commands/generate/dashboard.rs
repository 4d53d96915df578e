//! A Grafana dashboard.

use serde_json::{Value, json};

/// One picture.
struct Panel {
    title: &'static str,
    /// What it shows and when to worry.
    help: &'static str,
    form: Form,
    /// As Grafana calls it.
    unit: &'static str,
    /// What is asked of Prometheus, with what each answer is called; `@` stands for the instances that are looked at.
    series: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Lines over time.
    Lines,
    /// Areas upon each other over time.
    Stacked,
    /// The last value.
    Number,
}

/// The instances that are looked at.
const SELECTED: &str = r#"job=~"$job", instance=~"$instance""#;

const PANELS: &[Panel] = &[
    Panel {
        title: "Requests by code",
        help: "Answers a second, by their status.",
        form: Form::Stacked,
        unit: "reqps",
        series: &[("sum by (code) (rate(corsair_requests_total{@}[$__rate_interval]))", "{{code}}")],
    },
    Panel {
        title: "Errors by cause",
        help: "Exchanges that went wrong a second, by the token that log and Proxy-Status have as well.",
        form: Form::Stacked,
        unit: "ops",
        series: &[
            ("sum by (cause) (rate(corsair_errors_total{@}[$__rate_interval])) > 0", "{{cause}}"),
            ("sum(rate(corsair_retries_total{@}[$__rate_interval]))", "sent again"),
        ],
    },
    Panel {
        title: "Latency by route",
        help: "From the end of a request's head to the end of its answer.",
        form: Form::Lines,
        unit: "s",
        series: &[
            (
                "histogram_quantile(0.50, sum by (route, le) (rate(corsair_request_duration_seconds_bucket{@}[$__rate_interval])))",
                "{{route}} p50",
            ),
            (
                "histogram_quantile(0.90, sum by (route, le) (rate(corsair_request_duration_seconds_bucket{@}[$__rate_interval])))",
                "{{route}} p90",
            ),
            (
                "histogram_quantile(0.99, sum by (route, le) (rate(corsair_request_duration_seconds_bucket{@}[$__rate_interval])))",
                "{{route}} p99",
            ),
        ],
    },
    Panel {
        title: "Added latency",
        help: "What corsair itself adds to an exchange, and how long upstreams take to the first byte beside it.",
        form: Form::Lines,
        unit: "s",
        series: &[
            (
                "histogram_quantile(0.50, sum by (le) (rate(corsair_proxy_added_seconds_bucket{@}[$__rate_interval])))",
                "added p50",
            ),
            (
                "histogram_quantile(0.99, sum by (le) (rate(corsair_proxy_added_seconds_bucket{@}[$__rate_interval])))",
                "added p99",
            ),
            (
                "histogram_quantile(0.99, sum by (upstream, le) (rate(corsair_upstream_first_byte_seconds_bucket{@}[$__rate_interval])))",
                "{{upstream}} first byte p99",
            ),
        ],
    },
    Panel {
        title: "Connections",
        help: "Open connections to clients and to upstreams, and what of the latter is idle.",
        form: Form::Lines,
        unit: "short",
        series: &[
            ("sum by (side) (corsair_connections{@})", "{{side}}"),
            ("sum(corsair_connections_max{@})", "client at most"),
            ("sum by (upstream) (corsair_pool_idle{@})", "{{upstream}} idle"),
        ],
    },
    Panel {
        title: "Pool reuse",
        help: "The share of exchanges that found a connection to their upstream open. Stale ones were closed by it meanwhile.",
        form: Form::Lines,
        unit: "percentunit",
        series: &[(
            "sum by (upstream, result) (rate(corsair_pool_reuse_total{@}[$__rate_interval])) / ignoring (result) group_left () \
             sum by (upstream) (rate(corsair_pool_reuse_total{@}[$__rate_interval]))",
            "{{upstream}} {{result}}",
        )],
    },
    Panel {
        title: "Servers",
        help: "1 for a server that gets requests, 0 for one that is out.",
        form: Form::Lines,
        unit: "bool_on_off",
        series: &[("min by (upstream, server) (corsair_upstream_up{@})", "{{upstream}} {{server}}")],
    },
    Panel {
        title: "Requests by server",
        help: "Answers of upstreams a second, by server and status.",
        form: Form::Stacked,
        unit: "reqps",
        series: &[(
            "sum by (upstream, server, code) (rate(corsair_upstream_requests_total{@}[$__rate_interval]))",
            "{{upstream}} {{server}} {{code}}",
        )],
    },
    Panel {
        title: "CORS refused",
        help: "Requests with an Origin that a policy refused, a second, by reason.",
        form: Form::Stacked,
        unit: "reqps",
        series: &[(
            "sum by (policy, kind, reason) (rate(corsair_cors_requests_total{@, result=\"refused\"}[$__rate_interval])) > 0",
            "{{policy}} {{kind}}: {{reason}}",
        )],
    },
    Panel {
        title: "Traffic",
        help: "Bytes a second, seen from corsair.",
        form: Form::Lines,
        unit: "Bps",
        series: &[(
            "sum by (side, direction) (rate(corsair_bytes_total{@}[$__rate_interval]))",
            "{{side}} {{direction}}",
        )],
    },
    Panel {
        title: "Memory",
        help: "What the process holds, and the bound that was told at its start.",
        form: Form::Lines,
        unit: "bytes",
        series: &[
            ("process_resident_memory_bytes{@}", "{{instance}}"),
            ("corsair_memory_bound_bytes{@}", "{{instance}} bound"),
        ],
    },
    Panel {
        title: "Relay buffers",
        help: "Large buffers for bulk, lent and kept.",
        form: Form::Stacked,
        unit: "short",
        series: &[("sum by (state) (corsair_buffers{@})", "{{state}}")],
    },
    Panel {
        title: "Reloads and generation",
        help: "The generation of the configuration, and reloads by what came of them.",
        form: Form::Lines,
        unit: "short",
        series: &[
            ("corsair_config_generation{@}", "{{instance}} generation"),
            (
                "sum by (instance, result) (increase(corsair_reloads_total{@}[$__rate_interval]))",
                "{{instance}} {{result}}",
            ),
        ],
    },
    Panel {
        title: "Certificates expire in",
        help: "The time that is left to the certificates of the listeners.",
        form: Form::Number,
        unit: "s",
        series: &[(
            "min by (listener, name) (corsair_tls_certificate_expiry_timestamp_seconds{@}) - time()",
            "{{name}} {{listener}}",
        )],
    },
    Panel {
        title: "Lost log lines and panics",
        help: "Both are 0 while all is well.",
        form: Form::Lines,
        unit: "short",
        series: &[
            (
                "sum by (instance) (increase(corsair_log_dropped_total{@}[$__rate_interval]))",
                "{{instance}} log lines",
            ),
            (
                "sum by (instance) (increase(corsair_panics_total{@}[$__rate_interval]))",
                "{{instance}} panics",
            ),
        ],
    },
    Panel {
        title: "CPU and descriptors",
        help: "Cores in use, and the share of the file descriptors that are.",
        form: Form::Lines,
        unit: "short",
        series: &[
            ("rate(process_cpu_seconds_total{@}[$__rate_interval])", "{{instance}} cores"),
            ("process_open_fds{@} / process_max_fds{@}", "{{instance}} descriptors"),
        ],
    },
];

/// The dashboard in Grafana's JSON, to be imported.
pub(super) fn dashboard() -> String {
    let panels: Vec<Value> = PANELS.iter().enumerate().map(|(index, own)| panel(index, own)).collect();
    let dashboard = json!({
        "title": "corsair",
        "uid": "corsair",
        "tags": ["corsair"],
        "description": env!("CARGO_PKG_DESCRIPTION"),
        "schemaVersion": 38,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [
            {
                "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
                "current": {}, "hide": 0,
            },
            variable("job", "Job", "label_values(corsair_build_info, job)"),
            variable("instance", "Instance", "label_values(corsair_build_info{job=~\"$job\"}, instance)"),
        ] },
        "panels": panels,
    });
    format!("{dashboard:#}\n")
}

/// A choice above the pictures, out of what Prometheus knows.
fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name, "label": label, "type": "query", "datasource": datasource(), "definition": query,
        "query": { "query": query, "refId": name }, "refresh": 2, "sort": 1, "hide": 0,
        "multi": true, "includeAll": true, "allValue": ".*", "current": { "text": "All", "value": "$__all" },
    })
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Two pictures stand side by side.
fn panel(index: usize, panel: &Panel) -> Value {
    let targets: Vec<Value> = panel
        .series
        .iter()
        .zip('A'..)
        .map(|((expression, legend), letter)| {
            json!({
                "refId": letter.to_string(),
                "datasource": datasource(),
                "expr": expression.replace('@', SELECTED),
                "legendFormat": legend,
                "instant": panel.form == Form::Number,
                "range": panel.form != Form::Number,
            })
        })
        .collect();
    let stacking = if panel.form == Form::Stacked { "normal" } else { "none" };
    let (kind, options, custom) = match panel.form {
        Form::Lines | Form::Stacked => (
            "timeseries",
            json!({
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" },
            }),
            json!({
                "drawStyle": "line", "lineWidth": 1, "showPoints": "never",
                "fillOpacity": if panel.form == Form::Stacked { 40 } else { 0 },
                "stacking": { "mode": stacking, "group": "A" },
            }),
        ),
        Form::Number => (
            "stat",
            json!({
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                "colorMode": "value", "graphMode": "none", "textMode": "value_and_name",
            }),
            json!({}),
        ),
    };
    // Days are only counted down where there are any.
    let thresholds = match panel.form {
        Form::Number => json!([
            { "color": "red", "value": null },
            { "color": "orange", "value": 86_400 },
            { "color": "green", "value": 14 * 86_400 },
        ]),
        Form::Lines | Form::Stacked => json!([{ "color": "green", "value": null }]),
    };
    json!({
        "id": index + 1,
        "type": kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": datasource(),
        "gridPos": { "h": 8, "w": 12, "x": (index % 2) * 12, "y": (index / 2) * 8 },
        "targets": targets,
        "options": options,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "custom": custom,
                "thresholds": { "mode": "absolute", "steps": thresholds },
            },
            "overrides": [],
        },
    })
}
