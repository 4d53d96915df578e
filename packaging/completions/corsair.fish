# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_corsair_global_optspecs
    string join \n c/config= watch= dev= l/listen= workers= max-connections= max-connections-per-client= max-memory= drain-delay= drain-timeout= user= group= half-close= trusted-proxy= allow-origin= deny-origin= allow-credentials= allow-method= allow-header= expose-header= max-age= private-network= upstream-headers= preflight= refuse-other-origins= timing= resource-policy= no-verdict= preset= gateway= allow-target= deny-target= require-header= token= open= redirects= redirect-same-origin= allow-host= forward= rate-limit= tls-cert= tls-key= ca-file= insecure-upstream= u/upstream= mcp= llm= set-request-header= remove-request-header= set-response-header= remove-response-header= host-header= rewrite= eject-failures= eject-status= eject-min-time= dns-server= hosts-file= limit-head= limit-fields= limit-response-head= limit-trailers= limit-chunk-extensions= limit-interim= limit-linger= limit-body= limit-replay= limit-buffer= limit-socket-buffer= timeout-head= timeout-keep-alive= timeout-body-idle= timeout-min-rate= timeout-connect= timeout-response= timeout-upstream-idle= timeout-send= timeout-tunnel-idle= timeout-tunnel-half-closed= timeout-linger= access-log= log-format= redact-query= allow-query= log-level= admin= v/verbose q/quiet= h/help V/version
end

function __fish_corsair_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_corsair_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_corsair_using_subcommand
    set -l cmd (__fish_corsair_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c corsair -n "__fish_corsair_needs_command" -s c -l config -d 'Configuration file (TOML); what flags and variables say wins' -r -F
complete -c corsair -n "__fish_corsair_needs_command" -l watch -d 'Look every 2 s whether that file, a certificate or the hosts file has changed, and reload [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l dev -d 'For development on this machine: /__corsair/why.js tells pages why they are refused, /__corsair/ tries a route [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -s l -l listen -d 'Address to serve: 127.0.0.1:3000, :8080, [::]:443, unix:/PATH or unix:@NAME; repeatable [default: 127.0.0.1:3000]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l workers -d 'Threads, or auto for one per usable core [default: auto]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l max-connections -d 'Client connections at a time; by default 9 for every 20 file descriptors' -r
complete -c corsair -n "__fish_corsair_needs_command" -l max-connections-per-client -d 'Those of one client (its /64 of IPv6) at a time, trusted proxies excepted; 0 for any number [default: 0]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l max-memory -d 'Memory that the process may take: as many connections are served as fit, others are told with a 503 [default: off]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l drain-delay -d 'How long to go on serving after TERM before the drain begins [default: 0s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l drain-timeout -d 'How long running exchanges may take to end once the drain has begun [default: 30s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l user -d 'User to become once the listeners and the access log are open; only root can' -r
complete -c corsair -n "__fish_corsair_needs_command" -l group -d 'Group to become with --user; by default that user\'s own' -r
complete -c corsair -n "__fish_corsair_needs_command" -l half-close -d 'Answer a client that ends its side behind its request; false takes that for an abort, as a browser\'s is [default: true]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l trusted-proxy -d 'Proxies that are believed who the client is: a network, loopback, private, unix; repeatable, by default none' -r
complete -c corsair -n "__fish_corsair_needs_command" -l allow-origin -d 'Origins that may read: https://app.example.com, https://*.example.com, ~REGEX, loopback, null, * [default: *]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l deny-origin -d 'Origin whose requests are refused whatever else allows them; spelled like an allowed one; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l allow-credentials -d 'Let those origins send cookies and authorization; needs a list of origins [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l allow-method -d 'Methods that a preflight grants [default: any]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l allow-header -d 'Request headers that a preflight grants: names, or NAME-* for all that begin so [default: any]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l expose-header -d 'Response headers that scripts may read [default: all]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l max-age -d 'How long a browser may remember a preflight [default: 10m]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l private-network -d 'Grant private network access when a preflight asks for it [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l upstream-headers -d 'The upstream\'s own CORS headers: replaced by ours, or kept where it sends any [default: replace]' -r -f -a "replace\t''
keep\t''"
complete -c corsair -n "__fish_corsair_needs_command" -l preflight -d 'Answer preflights here, or forward them to the application [default: answer]' -r -f -a "answer\t''
forward\t''"
complete -c corsair -n "__fish_corsair_needs_command" -l refuse-other-origins -d 'Refuse requests of other origins with 403 instead of hiding the answer from them [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timing -d 'Send Timing-Allow-Origin to allowed origins [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l resource-policy -d 'Send Cross-Origin-Resource-Policy: cross-origin, same-site or same-origin; unset by default' -r
complete -c corsair -n "__fish_corsair_needs_command" -l no-verdict -d 'Leave out the Corsair-Cors header that explains the verdict [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l preset -d 'What browser clients of an MCP server or of an OpenAI-style API need, where nothing else is said here' -r -f -a "mcp\t''
llm\t''"
complete -c corsair -n "__fish_corsair_needs_command" -l gateway -d 'Forms to serve: query (/?url=…), path (/https://host/…); both by default unless there is an --upstream' -r
complete -c corsair -n "__fish_corsair_needs_command" -l allow-target -d 'Targets: public, private, loopback, any, HOST, HOST:PORT, *.example.com, a network; repeatable [default: public]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l deny-target -d 'Targets refused whatever else allows them; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l require-header -d 'Refuse requests that carry none of these headers, such as Origin; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l token -d 'Token to be shown by whoever uses the gateway, or --upstream; ${VARIABLE} keeps it out of ps; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l open -d 'Publish the gateway to everybody, knowingly [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l redirects -d 'Redirects of a target: followed here, rewritten to this gateway, or passed [default: follow]' -r -f -a "follow\t''
rewrite\t''
pass\t''"
complete -c corsair -n "__fish_corsair_needs_command" -l redirect-same-origin -d 'Send a page that asks for something of its own origin there, instead of fetching it [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l allow-host -d 'Host names that are answered to, on every listener where given, else on loopback with a gateway; repeatable [default: localhost,127.0.0.1,[::1]]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l forward -d 'Be a forward proxy: http requests that name a whole URL, and CONNECT; instead of the gateway, or beside others [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l rate-limit -d 'How often each client may ask the gateway, the forward proxy and --upstream: 200/1m; more is answered with 429' -r
complete -c corsair -n "__fish_corsair_needs_command" -l tls-cert -d 'Certificate chain of the listeners (PEM), with which they speak TLS; repeatable, chosen by name, else the first' -r -F
complete -c corsair -n "__fish_corsair_needs_command" -l tls-key -d 'Private key of that certificate (PEM); repeatable, in the order of the certificates' -r -F
complete -c corsair -n "__fish_corsair_needs_command" -l ca-file -d 'Certificates trusted beside the public ones towards upstreams (PEM)' -r -F
complete -c corsair -n "__fish_corsair_needs_command" -l insecure-upstream -d 'Trust any certificate of an upstream [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -s u -l upstream -d 'Where to send requests: http://HOST:PORT/PREFIX or https://…; repeatable, balanced' -r
complete -c corsair -n "__fish_corsair_needs_command" -l mcp -d 'The same for one MCP server, with --preset mcp; its path is the client\'s to give, and is told at start' -r
complete -c corsair -n "__fish_corsair_needs_command" -l llm -d 'The same for one OpenAI-style API, with --preset llm' -r
complete -c corsair -n "__fish_corsair_needs_command" -l set-request-header -d 'Field that the upstream gets in place of what the client sent; ${VARIABLE} keeps a secret out of ps; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l remove-request-header -d 'Field that the upstream does not get; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l set-response-header -d 'Field that the client gets in place of what the upstream sent under that name; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l remove-response-header -d 'Field that the client does not get; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l host-header -d 'Host that upstreams get: the client\'s (keep), their own (upstream), a name; auto: their own for https by name [default: auto]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l rewrite -d 'Rename upstreams back in Location, Content-Location, Refresh and Set-Cookie, or off [default: on]' -r -f -a "on\t''
off\t''"
complete -c corsair -n "__fish_corsair_needs_command" -l eject-failures -d 'Failed requests in a row that take one of several upstreams out until probes find it well; 0: never [default: 3]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l eject-status -d 'Statuses of an upstream that count as failures, or none; repeatable [default: 503]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l eject-min-time -d 'How long one stays out that fails again soon after it was back; twice that the next time, up to 5m [default: 10s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l dns-server -d 'Resolver to ask instead of the system\'s: IP or IP:PORT; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l hosts-file -d 'Hosts file to read instead of the system\'s' -r -F
complete -c corsair -n "__fish_corsair_needs_command" -l limit-head -d 'Request head; more is 431, a request line alone 414 [default: 16k]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-fields -d 'Header fields of a message [default: 100]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-response-head -d 'Response head; more is 502 [default: 16k]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-trailers -d 'Trailers of a message [default: 8k]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-chunk-extensions -d 'Chunk extensions of a message, in all [default: 16k]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-interim -d '1xx responses of an exchange [default: 16]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-linger -d 'Request bytes read and thrown away after an early answer [default: 1m]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-body -d 'Request body, or off; more is 413 [default: off]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-replay -d 'Request body kept for a redirect that the gateway follows, or for upstream.retry.statuses; 0 keeps none [default: 64k]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-buffer -d 'First relay buffer of each direction [default: 16k]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l limit-socket-buffer -d 'Kernel buffers of each socket, or auto to leave them to the kernel; where a long body comes from they grow to 4 times that once its reader has proved to keep up [default: 128k]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-head -d 'From the first byte of a request head to its end; a PROXY header and a TLS handshake together [default: 10s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-keep-alive -d 'An idle client connection [default: 75s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-body-idle -d 'Silence inside a request body [default: 30s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-min-rate -d 'Average rate of a request body after the first --timeout-body-idle, or off [default: 100/s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-connect -d 'DNS, TCP and TLS towards an upstream [default: 5s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-response -d 'From the request sent to the response head [default: 60s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-upstream-idle -d 'Silence inside a response body [default: 60s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-send -d 'A peer that takes nothing [default: 60s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-tunnel-idle -d 'A tunnel in which nothing moves [default: 1h]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-tunnel-half-closed -d 'A tunnel of which one direction has ended [default: 60s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l timeout-linger -d 'How long input is thrown away after an early answer [default: 2s]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l access-log -d 'One line per request to a file, stdout or stderr, or off; stdout where there is a --config [default: off]' -r -F
complete -c corsair -n "__fish_corsair_needs_command" -l log-format -d 'What a line looks like; in a template {status} and other keys stand for values [default: text]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l redact-query -d 'Query parameters to hide in the access log beside those named like a secret; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l allow-query -d 'Query parameters to show there although they are named like a secret; repeatable' -r
complete -c corsair -n "__fish_corsair_needs_command" -l log-level -d 'What is worth a line on stderr: error, warn, info, debug or trace; also for parts of the program [default: info]' -r
complete -c corsair -n "__fish_corsair_needs_command" -l admin -d 'Address that shows metrics, health, state and a page with all of it: 127.0.0.1:9900 or unix:/PATH; off by default' -r
complete -c corsair -n "__fish_corsair_needs_command" -s q -l quiet -d 'Say nothing but errors on stderr [default: false]' -r
complete -c corsair -n "__fish_corsair_needs_command" -s v -l verbose -d 'Say more on stderr; twice for everything'
complete -c corsair -n "__fish_corsair_needs_command" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_needs_command" -s V -l version -d 'Print the version'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "check" -d 'Tell all that is wrong, else what is effective (--print: as a file); -t for short'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "explain" -d 'Tell what becomes of a page\'s request; corsair explain --help says more'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "status" -d 'Tell what a running corsair does (--watch: again and again)'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "reload" -d 'Have it read its configuration again, and tell what is wrong with that'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "sign" -d 'Print a signed URL, which lets in whoever has it until it --expires'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "generate" -d 'Print a file that goes with corsair; corsair generate --help lists them'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "help" -d 'Print this, or what a command takes'
complete -c corsair -n "__fish_corsair_needs_command" -f -a "version" -d 'Print the version'
complete -c corsair -n "__fish_corsair_using_subcommand check" -s c -l config -d 'Configuration file (TOML); what flags and variables say wins' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand check" -l watch -d 'Look every 2 s whether that file, a certificate or the hosts file has changed, and reload [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l dev -d 'For development on this machine: /__corsair/why.js tells pages why they are refused, /__corsair/ tries a route [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -s l -l listen -d 'Address to serve: 127.0.0.1:3000, :8080, [::]:443, unix:/PATH or unix:@NAME; repeatable [default: 127.0.0.1:3000]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l workers -d 'Threads, or auto for one per usable core [default: auto]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l max-connections -d 'Client connections at a time; by default 9 for every 20 file descriptors' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l max-connections-per-client -d 'Those of one client (its /64 of IPv6) at a time, trusted proxies excepted; 0 for any number [default: 0]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l max-memory -d 'Memory that the process may take: as many connections are served as fit, others are told with a 503 [default: off]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l drain-delay -d 'How long to go on serving after TERM before the drain begins [default: 0s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l drain-timeout -d 'How long running exchanges may take to end once the drain has begun [default: 30s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l user -d 'User to become once the listeners and the access log are open; only root can' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l group -d 'Group to become with --user; by default that user\'s own' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l half-close -d 'Answer a client that ends its side behind its request; false takes that for an abort, as a browser\'s is [default: true]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l trusted-proxy -d 'Proxies that are believed who the client is: a network, loopback, private, unix; repeatable, by default none' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l allow-origin -d 'Origins that may read: https://app.example.com, https://*.example.com, ~REGEX, loopback, null, * [default: *]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l deny-origin -d 'Origin whose requests are refused whatever else allows them; spelled like an allowed one; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l allow-credentials -d 'Let those origins send cookies and authorization; needs a list of origins [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l allow-method -d 'Methods that a preflight grants [default: any]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l allow-header -d 'Request headers that a preflight grants: names, or NAME-* for all that begin so [default: any]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l expose-header -d 'Response headers that scripts may read [default: all]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l max-age -d 'How long a browser may remember a preflight [default: 10m]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l private-network -d 'Grant private network access when a preflight asks for it [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l upstream-headers -d 'The upstream\'s own CORS headers: replaced by ours, or kept where it sends any [default: replace]' -r -f -a "replace\t''
keep\t''"
complete -c corsair -n "__fish_corsair_using_subcommand check" -l preflight -d 'Answer preflights here, or forward them to the application [default: answer]' -r -f -a "answer\t''
forward\t''"
complete -c corsair -n "__fish_corsair_using_subcommand check" -l refuse-other-origins -d 'Refuse requests of other origins with 403 instead of hiding the answer from them [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timing -d 'Send Timing-Allow-Origin to allowed origins [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l resource-policy -d 'Send Cross-Origin-Resource-Policy: cross-origin, same-site or same-origin; unset by default' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l no-verdict -d 'Leave out the Corsair-Cors header that explains the verdict [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l preset -d 'What browser clients of an MCP server or of an OpenAI-style API need, where nothing else is said here' -r -f -a "mcp\t''
llm\t''"
complete -c corsair -n "__fish_corsair_using_subcommand check" -l gateway -d 'Forms to serve: query (/?url=…), path (/https://host/…); both by default unless there is an --upstream' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l allow-target -d 'Targets: public, private, loopback, any, HOST, HOST:PORT, *.example.com, a network; repeatable [default: public]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l deny-target -d 'Targets refused whatever else allows them; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l require-header -d 'Refuse requests that carry none of these headers, such as Origin; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l token -d 'Token to be shown by whoever uses the gateway, or --upstream; ${VARIABLE} keeps it out of ps; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l open -d 'Publish the gateway to everybody, knowingly [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l redirects -d 'Redirects of a target: followed here, rewritten to this gateway, or passed [default: follow]' -r -f -a "follow\t''
rewrite\t''
pass\t''"
complete -c corsair -n "__fish_corsair_using_subcommand check" -l redirect-same-origin -d 'Send a page that asks for something of its own origin there, instead of fetching it [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l allow-host -d 'Host names that are answered to, on every listener where given, else on loopback with a gateway; repeatable [default: localhost,127.0.0.1,[::1]]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l forward -d 'Be a forward proxy: http requests that name a whole URL, and CONNECT; instead of the gateway, or beside others [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l rate-limit -d 'How often each client may ask the gateway, the forward proxy and --upstream: 200/1m; more is answered with 429' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l tls-cert -d 'Certificate chain of the listeners (PEM), with which they speak TLS; repeatable, chosen by name, else the first' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand check" -l tls-key -d 'Private key of that certificate (PEM); repeatable, in the order of the certificates' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand check" -l ca-file -d 'Certificates trusted beside the public ones towards upstreams (PEM)' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand check" -l insecure-upstream -d 'Trust any certificate of an upstream [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -s u -l upstream -d 'Where to send requests: http://HOST:PORT/PREFIX or https://…; repeatable, balanced' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l mcp -d 'The same for one MCP server, with --preset mcp; its path is the client\'s to give, and is told at start' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l llm -d 'The same for one OpenAI-style API, with --preset llm' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l set-request-header -d 'Field that the upstream gets in place of what the client sent; ${VARIABLE} keeps a secret out of ps; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l remove-request-header -d 'Field that the upstream does not get; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l set-response-header -d 'Field that the client gets in place of what the upstream sent under that name; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l remove-response-header -d 'Field that the client does not get; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l host-header -d 'Host that upstreams get: the client\'s (keep), their own (upstream), a name; auto: their own for https by name [default: auto]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l rewrite -d 'Rename upstreams back in Location, Content-Location, Refresh and Set-Cookie, or off [default: on]' -r -f -a "on\t''
off\t''"
complete -c corsair -n "__fish_corsair_using_subcommand check" -l eject-failures -d 'Failed requests in a row that take one of several upstreams out until probes find it well; 0: never [default: 3]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l eject-status -d 'Statuses of an upstream that count as failures, or none; repeatable [default: 503]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l eject-min-time -d 'How long one stays out that fails again soon after it was back; twice that the next time, up to 5m [default: 10s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l dns-server -d 'Resolver to ask instead of the system\'s: IP or IP:PORT; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l hosts-file -d 'Hosts file to read instead of the system\'s' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-head -d 'Request head; more is 431, a request line alone 414 [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-fields -d 'Header fields of a message [default: 100]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-response-head -d 'Response head; more is 502 [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-trailers -d 'Trailers of a message [default: 8k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-chunk-extensions -d 'Chunk extensions of a message, in all [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-interim -d '1xx responses of an exchange [default: 16]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-linger -d 'Request bytes read and thrown away after an early answer [default: 1m]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-body -d 'Request body, or off; more is 413 [default: off]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-replay -d 'Request body kept for a redirect that the gateway follows, or for upstream.retry.statuses; 0 keeps none [default: 64k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-buffer -d 'First relay buffer of each direction [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l limit-socket-buffer -d 'Kernel buffers of each socket, or auto to leave them to the kernel; where a long body comes from they grow to 4 times that once its reader has proved to keep up [default: 128k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-head -d 'From the first byte of a request head to its end; a PROXY header and a TLS handshake together [default: 10s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-keep-alive -d 'An idle client connection [default: 75s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-body-idle -d 'Silence inside a request body [default: 30s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-min-rate -d 'Average rate of a request body after the first --timeout-body-idle, or off [default: 100/s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-connect -d 'DNS, TCP and TLS towards an upstream [default: 5s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-response -d 'From the request sent to the response head [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-upstream-idle -d 'Silence inside a response body [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-send -d 'A peer that takes nothing [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-tunnel-idle -d 'A tunnel in which nothing moves [default: 1h]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-tunnel-half-closed -d 'A tunnel of which one direction has ended [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l timeout-linger -d 'How long input is thrown away after an early answer [default: 2s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l access-log -d 'One line per request to a file, stdout or stderr, or off; stdout where there is a --config [default: off]' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand check" -l log-format -d 'What a line looks like; in a template {status} and other keys stand for values [default: text]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l redact-query -d 'Query parameters to hide in the access log beside those named like a secret; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l allow-query -d 'Query parameters to show there although they are named like a secret; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l log-level -d 'What is worth a line on stderr: error, warn, info, debug or trace; also for parts of the program [default: info]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l admin -d 'Address that shows metrics, health, state and a page with all of it: 127.0.0.1:9900 or unix:/PATH; off by default' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -s q -l quiet -d 'Say nothing but errors on stderr [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand check" -l print -d 'Tell what is effective as a configuration file, secrets hidden'
complete -c corsair -n "__fish_corsair_using_subcommand check" -s v -l verbose -d 'Say more on stderr; twice for everything'
complete -c corsair -n "__fish_corsair_using_subcommand check" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l origin -d 'Origin of the page, such as https://app.example.com; without it no page asks' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l method -d 'Method, told apart by case [default: GET]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l header -d 'Field that the script sets; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -s c -l config -d 'Configuration file (TOML); what flags and variables say wins' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l watch -d 'Look every 2 s whether that file, a certificate or the hosts file has changed, and reload [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l dev -d 'For development on this machine: /__corsair/why.js tells pages why they are refused, /__corsair/ tries a route [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -s l -l listen -d 'Address to serve: 127.0.0.1:3000, :8080, [::]:443, unix:/PATH or unix:@NAME; repeatable [default: 127.0.0.1:3000]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l workers -d 'Threads, or auto for one per usable core [default: auto]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l max-connections -d 'Client connections at a time; by default 9 for every 20 file descriptors' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l max-connections-per-client -d 'Those of one client (its /64 of IPv6) at a time, trusted proxies excepted; 0 for any number [default: 0]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l max-memory -d 'Memory that the process may take: as many connections are served as fit, others are told with a 503 [default: off]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l drain-delay -d 'How long to go on serving after TERM before the drain begins [default: 0s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l drain-timeout -d 'How long running exchanges may take to end once the drain has begun [default: 30s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l user -d 'User to become once the listeners and the access log are open; only root can' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l group -d 'Group to become with --user; by default that user\'s own' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l half-close -d 'Answer a client that ends its side behind its request; false takes that for an abort, as a browser\'s is [default: true]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l trusted-proxy -d 'Proxies that are believed who the client is: a network, loopback, private, unix; repeatable, by default none' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l allow-origin -d 'Origins that may read: https://app.example.com, https://*.example.com, ~REGEX, loopback, null, * [default: *]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l deny-origin -d 'Origin whose requests are refused whatever else allows them; spelled like an allowed one; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l allow-credentials -d 'Let those origins send cookies and authorization; needs a list of origins [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l allow-method -d 'Methods that a preflight grants [default: any]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l allow-header -d 'Request headers that a preflight grants: names, or NAME-* for all that begin so [default: any]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l expose-header -d 'Response headers that scripts may read [default: all]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l max-age -d 'How long a browser may remember a preflight [default: 10m]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l private-network -d 'Grant private network access when a preflight asks for it [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l upstream-headers -d 'The upstream\'s own CORS headers: replaced by ours, or kept where it sends any [default: replace]' -r -f -a "replace\t''
keep\t''"
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l preflight -d 'Answer preflights here, or forward them to the application [default: answer]' -r -f -a "answer\t''
forward\t''"
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l refuse-other-origins -d 'Refuse requests of other origins with 403 instead of hiding the answer from them [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timing -d 'Send Timing-Allow-Origin to allowed origins [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l resource-policy -d 'Send Cross-Origin-Resource-Policy: cross-origin, same-site or same-origin; unset by default' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l no-verdict -d 'Leave out the Corsair-Cors header that explains the verdict [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l preset -d 'What browser clients of an MCP server or of an OpenAI-style API need, where nothing else is said here' -r -f -a "mcp\t''
llm\t''"
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l gateway -d 'Forms to serve: query (/?url=…), path (/https://host/…); both by default unless there is an --upstream' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l allow-target -d 'Targets: public, private, loopback, any, HOST, HOST:PORT, *.example.com, a network; repeatable [default: public]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l deny-target -d 'Targets refused whatever else allows them; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l require-header -d 'Refuse requests that carry none of these headers, such as Origin; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l token -d 'Token to be shown by whoever uses the gateway, or --upstream; ${VARIABLE} keeps it out of ps; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l open -d 'Publish the gateway to everybody, knowingly [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l redirects -d 'Redirects of a target: followed here, rewritten to this gateway, or passed [default: follow]' -r -f -a "follow\t''
rewrite\t''
pass\t''"
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l redirect-same-origin -d 'Send a page that asks for something of its own origin there, instead of fetching it [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l allow-host -d 'Host names that are answered to, on every listener where given, else on loopback with a gateway; repeatable [default: localhost,127.0.0.1,[::1]]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l forward -d 'Be a forward proxy: http requests that name a whole URL, and CONNECT; instead of the gateway, or beside others [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l rate-limit -d 'How often each client may ask the gateway, the forward proxy and --upstream: 200/1m; more is answered with 429' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l tls-cert -d 'Certificate chain of the listeners (PEM), with which they speak TLS; repeatable, chosen by name, else the first' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l tls-key -d 'Private key of that certificate (PEM); repeatable, in the order of the certificates' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l ca-file -d 'Certificates trusted beside the public ones towards upstreams (PEM)' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l insecure-upstream -d 'Trust any certificate of an upstream [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -s u -l upstream -d 'Where to send requests: http://HOST:PORT/PREFIX or https://…; repeatable, balanced' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l mcp -d 'The same for one MCP server, with --preset mcp; its path is the client\'s to give, and is told at start' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l llm -d 'The same for one OpenAI-style API, with --preset llm' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l set-request-header -d 'Field that the upstream gets in place of what the client sent; ${VARIABLE} keeps a secret out of ps; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l remove-request-header -d 'Field that the upstream does not get; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l set-response-header -d 'Field that the client gets in place of what the upstream sent under that name; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l remove-response-header -d 'Field that the client does not get; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l host-header -d 'Host that upstreams get: the client\'s (keep), their own (upstream), a name; auto: their own for https by name [default: auto]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l rewrite -d 'Rename upstreams back in Location, Content-Location, Refresh and Set-Cookie, or off [default: on]' -r -f -a "on\t''
off\t''"
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l eject-failures -d 'Failed requests in a row that take one of several upstreams out until probes find it well; 0: never [default: 3]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l eject-status -d 'Statuses of an upstream that count as failures, or none; repeatable [default: 503]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l eject-min-time -d 'How long one stays out that fails again soon after it was back; twice that the next time, up to 5m [default: 10s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l dns-server -d 'Resolver to ask instead of the system\'s: IP or IP:PORT; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l hosts-file -d 'Hosts file to read instead of the system\'s' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-head -d 'Request head; more is 431, a request line alone 414 [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-fields -d 'Header fields of a message [default: 100]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-response-head -d 'Response head; more is 502 [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-trailers -d 'Trailers of a message [default: 8k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-chunk-extensions -d 'Chunk extensions of a message, in all [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-interim -d '1xx responses of an exchange [default: 16]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-linger -d 'Request bytes read and thrown away after an early answer [default: 1m]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-body -d 'Request body, or off; more is 413 [default: off]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-replay -d 'Request body kept for a redirect that the gateway follows, or for upstream.retry.statuses; 0 keeps none [default: 64k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-buffer -d 'First relay buffer of each direction [default: 16k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l limit-socket-buffer -d 'Kernel buffers of each socket, or auto to leave them to the kernel; where a long body comes from they grow to 4 times that once its reader has proved to keep up [default: 128k]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-head -d 'From the first byte of a request head to its end; a PROXY header and a TLS handshake together [default: 10s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-keep-alive -d 'An idle client connection [default: 75s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-body-idle -d 'Silence inside a request body [default: 30s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-min-rate -d 'Average rate of a request body after the first --timeout-body-idle, or off [default: 100/s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-connect -d 'DNS, TCP and TLS towards an upstream [default: 5s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-response -d 'From the request sent to the response head [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-upstream-idle -d 'Silence inside a response body [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-send -d 'A peer that takes nothing [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-tunnel-idle -d 'A tunnel in which nothing moves [default: 1h]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-tunnel-half-closed -d 'A tunnel of which one direction has ended [default: 60s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l timeout-linger -d 'How long input is thrown away after an early answer [default: 2s]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l access-log -d 'One line per request to a file, stdout or stderr, or off; stdout where there is a --config [default: off]' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l log-format -d 'What a line looks like; in a template {status} and other keys stand for values [default: text]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l redact-query -d 'Query parameters to hide in the access log beside those named like a secret; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l allow-query -d 'Query parameters to show there although they are named like a secret; repeatable' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l log-level -d 'What is worth a line on stderr: error, warn, info, debug or trace; also for parts of the program [default: info]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l admin -d 'Address that shows metrics, health, state and a page with all of it: 127.0.0.1:9900 or unix:/PATH; off by default' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -s q -l quiet -d 'Say nothing but errors on stderr [default: false]' -r
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l credentials -d 'Ask with the user\'s cookies, as fetch() does with credentials: "include"'
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l upgrade -d 'Open a WebSocket'
complete -c corsair -n "__fish_corsair_using_subcommand explain" -l json -d 'Tell programs: one JSON object on stdout'
complete -c corsair -n "__fish_corsair_using_subcommand explain" -s v -l verbose -d 'Say more on stderr; twice for everything'
complete -c corsair -n "__fish_corsair_using_subcommand explain" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_using_subcommand status" -s c -l config -d 'Configuration file (TOML); what flags and variables say wins' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand status" -l admin -d 'Address that shows metrics, health, state and a page with all of it: 127.0.0.1:9900 or unix:/PATH; off by default' -r
complete -c corsair -n "__fish_corsair_using_subcommand status" -l watch -d 'Tell it again and again'
complete -c corsair -n "__fish_corsair_using_subcommand status" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_using_subcommand reload" -s c -l config -d 'Configuration file (TOML); what flags and variables say wins' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand reload" -l admin -d 'Address that shows metrics, health, state and a page with all of it: 127.0.0.1:9900 or unix:/PATH; off by default' -r
complete -c corsair -n "__fish_corsair_using_subcommand reload" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_using_subcommand sign" -l key -d 'Key of [access.NAME] that signs it' -r
complete -c corsair -n "__fish_corsair_using_subcommand sign" -l access -d 'Table that has the key, where several have one of that name' -r
complete -c corsair -n "__fish_corsair_using_subcommand sign" -l expires -d 'How long it lets in, from now on: 10m, 1h, 30d' -r
complete -c corsair -n "__fish_corsair_using_subcommand sign" -l method -d 'Method that it is asked with; GET, the default, covers HEAD' -r
complete -c corsair -n "__fish_corsair_using_subcommand sign" -s c -l config -d 'Configuration file (TOML); what flags and variables say wins' -r -F
complete -c corsair -n "__fish_corsair_using_subcommand sign" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_using_subcommand generate" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_using_subcommand help" -s h -l help -d 'Print this help'
complete -c corsair -n "__fish_corsair_using_subcommand version" -s h -l help -d 'Print this help'
