//! Alert rules for Prometheus.

use std::fmt::Write as _;

/// When somebody is to look, and what is to be said to them.
struct Alert {
    name: &'static str,
    /// What does not hold while all is well.
    expression: &'static str,
    /// How long that has to go on.
    lasting: &'static str,
    severity: Severity,
    summary: &'static str,
    description: &'static str,
}

enum Severity {
    /// Somebody is to look at once.
    Critical,
    /// Today.
    Warning,
}

const ALERTS: &[Alert] = &[
    Alert {
        name: "CorsairDown",
        expression: r#"up{job="corsair"} == 0"#,
        lasting: "1m",
        severity: Severity::Critical,
        summary: "corsair on {{ $labels.instance }} does not answer",
        description: "Its metrics cannot be read. Look at its service, and whether its admin listener is reachable.",
    },
    Alert {
        name: "CorsairErrors",
        expression: r#"sum by (job, instance) (rate(corsair_requests_total{code=~"5.."}[5m]))
  / sum by (job, instance) (rate(corsair_requests_total[5m])) > 0.05"#,
        lasting: "5m",
        severity: Severity::Critical,
        summary: "{{ $value | humanizePercentage }} of the requests to {{ $labels.instance }} fail",
        description: "They are answered with 5xx. corsair_errors_total and the access log name the causes.",
    },
    Alert {
        name: "CorsairUpstreamDown",
        expression: "max by (job, instance, upstream) (corsair_upstream_up) == 0",
        lasting: "1m",
        severity: Severity::Critical,
        summary: "no server of upstream {{ $labels.upstream }} is usable",
        description: "Requests are tried all the same. The log of corsair says why each was taken out.",
    },
    Alert {
        name: "CorsairServerOut",
        expression: "corsair_upstream_up == 0",
        lasting: "5m",
        severity: Severity::Warning,
        summary: "server {{ $labels.server }} of upstream {{ $labels.upstream }} is out",
        description: "Probes do not find it well. The log of corsair says why it was taken out.",
    },
    Alert {
        name: "CorsairCertificateExpired",
        expression: "corsair_tls_certificate_expiry_timestamp_seconds < time()",
        lasting: "0m",
        severity: Severity::Critical,
        summary: "the certificate of {{ $labels.name }} on {{ $labels.listener }} has expired",
        description: "Clients refuse it. Renew it; HUP makes corsair read it.",
    },
    Alert {
        name: "CorsairCertificateExpires",
        expression: "0 <= (corsair_tls_certificate_expiry_timestamp_seconds - time()) < 14 * 86400",
        lasting: "1h",
        severity: Severity::Warning,
        summary: "the certificate of {{ $labels.name }} on {{ $labels.listener }} expires in {{ $value | humanizeDuration }}",
        description: "Renew it; HUP makes corsair read it.",
    },
    Alert {
        name: "CorsairReloadRefused",
        expression: r#"increase(corsair_reloads_total{result="refused"}[15m]) > 0"#,
        lasting: "0m",
        severity: Severity::Warning,
        summary: "corsair on {{ $labels.instance }} refused its configuration",
        description: "What was before goes on. corsair check tells every fault of the file.",
    },
    Alert {
        name: "CorsairLogDropped",
        expression: "increase(corsair_log_dropped_total[5m]) > 0",
        lasting: "5m",
        severity: Severity::Warning,
        summary: "corsair on {{ $labels.instance }} loses lines of its access log",
        description: "Who takes them is too slow, or the disk is full. No request waits for that.",
    },
    Alert {
        name: "CorsairConnections",
        expression: r#"sum by (job, instance) (corsair_connections{side="client"})
  > 0.9 * sum by (job, instance) (corsair_connections_max)"#,
        lasting: "2m",
        severity: Severity::Warning,
        summary: "corsair on {{ $labels.instance }} has {{ $value }} client connections, nearly all that it may",
        description: "The longest idle ones are closed for newcomers. Raise max_connections and the limit of descriptors.",
    },
    Alert {
        name: "CorsairMemory",
        expression: "process_resident_memory_bytes > on (job, instance) corsair_memory_bound_bytes",
        lasting: "5m",
        severity: Severity::Warning,
        summary: "corsair on {{ $labels.instance }} holds {{ $value | humanize1024 }}B, more than its bound",
        description: "That is a fault of corsair: please report it, with its metrics.",
    },
    Alert {
        name: "CorsairPanicked",
        expression: "increase(corsair_panics_total[15m]) > 0",
        lasting: "0m",
        severity: Severity::Warning,
        summary: "corsair on {{ $labels.instance }} gave up a connection by a panic",
        description: "That is a fault of corsair: please report it, with what its log says.",
    },
];

/// A file for `rule_files`.
pub(super) fn alerts() -> String {
    let mut text = "\
# Alert rules for corsair, whose scrape job is expected to be called corsair. Check them: promtool check rules FILE
groups:
  - name: corsair
    rules:
"
    .to_owned();
    for Alert { name, expression, lasting, severity, summary, description } in ALERTS {
        let severity = match severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
        };
        let expression = expression.replace('\n', "\n          ");
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "      - alert: {name}
        expr: |-
          {expression}
        for: {lasting}
        labels:
          severity: {severity}
        annotations:
          summary: '{summary}'
          description: '{description}'
"
        );
    }
    text
}
