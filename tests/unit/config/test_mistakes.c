/* Files with one mistake each: the line it is reported at and what is said. One mistake must give
 * one message: ones that only follow from another would hide it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "support.h"

Test(mistakes, in_the_syntax_are_reported_where_they_stand)
{
    static const struct support_mistake table[] = {
        {"listeners = (\n { bind = \":80\"; }\n;\n", 3,
         "\";\" cannot stand in the \"(\" of line 1; write \")\" before it"},
        {"\nlisteners = (\n { bind = \":80\"; }\n\n", 2, "\"(\" is not closed; write \")\""},
        {"listeners = ( {\n bind = \":80\"; )\n", 2, "\")\" cannot close the \"{\" of line 1"},
        {"workers = 1;\n}\n", 2, "\"}\" closes nothing"},
        {"workers = 1;\nlog = { level = \"info; };\n", 2, "string is not closed"},
        {"/* never\n closed\n", 1, "comment is not closed; write */"},
        {"workers = 1;\nworkers = 2;\n", 2, "stands twice"},
        {"workers = 1;\ndrain_timeout \"2s\";\n", 2, "\"=\" expected, not \"2s\""},
        {"workers = 1;\nlog { };\n", 2, "\"=\" expected, not {"},
        {"workers = 1;;\n", 1, "a key expected, not ;"},
        {"workers = ;\n", 1, "a value expected, not ;"},
        {"workers = 1 2;\n", 1, "\";\" or a key expected, not 2"},
        {"workers = 5s;\n", 1, "5s is not a number; write \"5s\" in quotes"},
        {"log = { level = info; };\n", 1, "info is not a value; write \"info\" in quotes"},
        {"workers drain = 1;\n", 1, "no \"=\" before drain"},
        {"= 1;\n", 1, "a key expected, not ="},
        {"\nworkers\n\n", 2, "the file ends before this key has a value"},
        {"\nworkers =\n\n", 2, "the file ends before this key has a value"},
        {"a = ( 1, 2, );\n", 1, "without a comma behind the last"},
        {"a = ( , );\n", 1, "a value expected, not ,"},
        {"a = ( 1; 2 );\n", 1, "\";\" cannot stand in the \"(\" of line 1"},
        {"a = ( 1 2 );\n", 1, "\",\" or the closing bracket expected, not 2"},
        {"a = ( b );\n", 1, "b is not a value; write \"b\" in quotes"},
        {"a = [ ( ) ];\n", 1, "\"(\" cannot stand between [ ]"},
        {"a = [ 1, 2L ];\n", 1, "different types"},
        {"a = 1; @\n", 1, "\"@\" has no meaning here"},
        {"a = 1; \xc3\xa4\n", 1, "characters beyond ASCII"},
        {"a = \"x\\x00\";\n", 1, "a string cannot hold \\x00"},
        {"a = 1.e;\n", 1, "1.e is not a number"},
        {"a = [ 1, \"x\" ];\n", 1, "different types"},
        {"workers = 99999999999;\n", 1, "99999999999 is out of range"},
        {"workers = 0x1FFFFFFFF;\n", 1, "0x1FFFFFFFF is out of range"},
        {"workers = -2147483649;\n", 1, "-2147483649 is out of range"},
        {"\n@include \"other.conf\"\n", 2, "@include works in files only"},
        {"a = ((((((((((((((((((((((((((((((((((", 1, "more than 32 brackets"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, in_names_of_keys_get_a_hint)
{
    static const struct support_mistake table[] = {
        {BASE "worker = 2;\n", 3, "unknown key \"worker\"; did you mean \"workers\"?"},
        {BASE "drain_timout = \"1s\";\n", 3, "did you mean \"drain_timeout\"?"},
        {POOL "listners = ( { bind = \":80\"; } );\n", 2,
         "unknown key \"listners\"; did you mean \"listeners\"?"},
        {BACKEND("adress = \"a:80\";"), 3, "did you mean \"address\"?"},
        {BASE "xyzzy = 2;\n", 3, "unknown key \"xyzzy\"; the keys here are workers, drain_timeout"},
        {IN_LISTENER("timeout = { };"), 3,
         "listener \"edge\": unknown key \"timeout\"; did you mean \"timeouts\"?"},
        {IN_LISTENER("timeouts = { haeder = \"1s\"; };"), 3,
         "timeouts: unknown key \"haeder\"; did you mean \"header\"?"},
        {IN_LISTENER("limits = { bodybytes = \"1m\"; };"), 3, "did you mean \"body_bytes\"?"},
        {IN_POOL("algoritm = \"random\";"), 3,
         "pool \"app\": unknown key \"algoritm\"; did you mean \"algorithm\"?"},
        {IN_POOL("helth = { };"), 3, "did you mean \"health\"?"},
        {IN_POOL("keepalive = { max_request = 1; };"), 3, "did you mean \"max_requests\"?"},
        {BACKEND("address = \"a:80\"; wieght = 2;"), 3,
         "pool \"app\": backend \"a:80\": unknown key \"wieght\"; did you mean \"weight\"?"},
        {ROUTE("pool = \"app\"; method = [ ];"), 3, "did you mean \"methods\"?"},
        {ROUTE("redirect = { to = \"/x\"; code = 301; };"), 3, "redirect: unknown key \"code\""},
        {BASE "admin = { tokenfile = \"x\"; };\n", 3, "did you mean \"token_file\"?"},
        {BASE "log = { acces = \"off\"; };\n", 3, "did you mean \"access\"?"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, in_types_say_what_to_write)
{
    static const struct support_mistake table[] = {
        {BASE "workers = \"two\";\n", 3,
         "workers must be an integer, not a string; write workers = 0"},
        {BASE "workers = 1.5;\n", 3, "workers must be an integer, not a decimal number"},
        {BASE "drain_timeout = 5;\n", 3,
         "drain_timeout must be a duration, not an integer; write drain_timeout = \"5s\""},
        {BASE "drain_timeout = true;\n", 3, "write drain_timeout = \"30s\""},
        {BASE "log = { buffer = 65536; };\n", 3,
         "buffer must be a size, not an integer; write buffer = \"64k\""},
        {BASE "log = \"info\";\n", 3, "log must be a group, not a string; write log = { ... }"},
        {POOL "listeners = { bind = \":80\"; };\n", 2,
         "listeners must be a list of groups, not a group; write listeners = ( { ... } )"},
        {POOL "listeners = ( \":80\" );\n", 2,
         "an element must be a group, not a string; write { ... }"},
        {IN_LISTENER("proxy_protocol = \"on\";"), 3,
         "proxy_protocol must be a bool, not a string; write proxy_protocol = true"},
        {IN_LISTENER("proxy_protocol = 1;"), 3, "proxy_protocol must be a bool, not an integer"},
        {IN_LISTENER("max_connections = \"many\";"), 3, "max_connections must be an integer"},
        {IN_LISTENER("limits = { header_bytes = 32768; };"), 3, "write header_bytes = \"32k\""},
        {IN_LISTENER("timeouts = ( );"), 3, "timeouts must be a group, not a list"},
        {ROUTE("pool = 1;"), 3,
         "pool must be a pool's name, not an integer; write pool = \"NAME\""},
        {ROUTE("pool = \"app\"; methods = \"GET\";"), 3,
         "methods must be a list of strings, not a string; write methods = [ \"GET\" ]"},
        {ROUTE("pool = \"app\"; methods = [ 1 ];"), 3,
         "an element must be a string, not an integer"},
        {BACKEND("address = 80;"), 3,
         "address must be a string, not an integer; write address = \"10.0.0.1:8080\""},
        {BACKEND("address = \"a:80\"; metadata = { n = 1; };"), 3,
         "n must be a string, not an integer"},
        {BACKEND("address = \"a:80\"; metadata = 1;"), 3, "metadata must be a group"},
        {IN_POOL("algorithm = 1;"), 3, "write algorithm = \"round_robin\""},
        {IN_POOL("hash_key = 1;"), 3, "hash_key must be a string"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, in_units_and_ranges_say_what_is_allowed)
{
    static const struct support_mistake table[] = {
        {BASE "drain_timeout = \"5\";\n", 3, "\"5\" has no unit; write \"5s\""},
        {BASE "drain_timeout = \"5x\";\n", 3,
         "\"5x\" has an unknown unit; write one of ms, s, m, h or d"},
        {BASE "drain_timeout = \"1.5s\";\n", 3, "\"1.5s\" is not a duration; write a whole number"},
        {BASE "drain_timeout = \"-5s\";\n", 3, "\"-5s\" is not a duration"},
        {BASE "drain_timeout = \"\";\n", 3, "\"\" is not a duration"},
        {BASE "drain_timeout = \"31d\";\n", 3, "\"31d\" is out of range; write \"0\" to \"30d\""},
        {BASE "drain_timeout = \"99999999999999999999s\";\n", 3, "out of range"},
        {BASE "workers = -1;\n", 3, "workers: -1 is out of range; write 0 to 256"},
        {BASE "workers = 257;\n", 3, "257 is out of range"},
        {BASE "log = { buffer = \"63k\"; };\n", 3,
         "\"63k\" is out of range; write \"64k\" to \"1g\""},
        {IN_LISTENER("limits = { header_bytes = \"61k\"; };"), 3,
         "\"61k\" is out of range; write \"1k\" to \"60k\""},
        {IN_LISTENER("limits = { header_bytes = \"4096\"; };"), 3,
         "\"4096\" has no unit; write \"4096b\""},
        {IN_LISTENER("limits = { headers = 0; };"), 3,
         "headers: 0 is out of range; write 1 to 1000"},
        {IN_LISTENER("timeouts = { header = \"0\"; };"), 3,
         "timeouts: header: \"0\" is out of range; write \"1ms\" to \"30d\""},
        {BACKEND("address = \"a:80\"; weight = 65536;"), 3,
         "weight: 65536 is out of range; write 0 to 65535"},
        {IN_POOL("keepalive = { idle = -1; };"), 3, "keepalive: idle: -1 is out of range"},
        {IN_POOL("timeouts = { connect = \"0s\"; };"), 3,
         "timeouts: connect: \"0s\" is out of range"},
        {ROUTE("respond = { status = 600; };"), 3,
         "respond: status: 600 is out of range; write 200 to 599"},
        {ROUTE("respond = { status = 101; };"), 3, "101 is out of range"},
        {IN_POOL("algorithm = \"roundrobin\";"), 3,
         "algorithm: \"roundrobin\" is not known; did you mean \"round_robin\"?"},
        {IN_POOL("algorithm = \"zzz\";"), 3, "write one of \"round_robin\", \"weighted\""},
        {BASE "log = { level = \"warning\"; };\n", 3, "did you mean \"warn\"?"},
        {BASE "log = { format = \"csv\"; };\n", 3, "write one of \"text\", \"json\""},
        {ROUTE("pool = \"app\"; path = \"/\"; path_match = \"glob\";"), 3,
         "path_match: \"glob\" is not known"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, in_addresses_are_explained)
{
    static const struct support_mistake table[] = {
        {BACKEND("id = \"a\"; address = \"10.0.0.1:70000\";"), 3,
         "pool \"app\": backend \"a\": port 70000 is out of range; write 1 to 65535"},
        {BACKEND("address = \"10.0.0.1:0\";"), 3, "port 0 is out of range"},
        {BACKEND("address = \"10.0.0.1:http\";"), 3, "port \"http\" is not a number"},
        {BACKEND("address = \"10.0.0.1\";"), 3,
         "\"10.0.0.1\" has no port; write \"10.0.0.1:8080\""},
        {BACKEND("address = \"10.0.0.300:80\";"), 3,
         "\"10.0.0.300\" is neither an IP address nor a host name"},
        {BACKEND("address = \"a b:80\";"), 3, "neither an IP address nor a host name"},
        {BACKEND("address = \"-a:80\";"), 3, "neither an IP address nor a host name"},
        {BACKEND("address = \"::1:80\";"), 3, "write an IPv6 address in brackets"},
        {BACKEND("address = \"[::g]:80\";"), 3, "\"[::g]\" is not an IPv6 address"},
        {BACKEND("address = \"[::1]\";"), 3, "has no port"},
        {BACKEND("address = \"[::1:80\";"), 3, "has no \"]\""},
        {BACKEND("address = \"http://a:80\";"), 3, "is a URL; write HOST:PORT"},
        {BACKEND("address = \"unix:app.sock\";"), 3, "must be absolute"},
        {BACKEND("address = \":80\";"), 3, "\":80\" has no host; write \"127.0.0.1:80\""},
        {BACKEND("address = \"\";"), 3, "address is empty"},
        {BACKEND("weight = 1;"), 3,
         "backend 1: \"address\" is missing; write address = \"10.0.0.1:8080\""},
        {POOL "listeners = ( { bind = \"localhost:80\"; } );\n", 2,
         "bind: \"localhost\" is a name; write a numeric address"},
        {POOL "listeners = ( { bind = \":65536\"; } );\n", 2, "bind: port 65536 is out of range"},
        {POOL "listeners = ( { bind = \"*:80\"; } );\n", 2,
         "\"*\" is neither an IP address nor a host name"},
        {POOL "listeners = ( { name = \"x\"; } );\n", 2,
         "listener \"x\": \"bind\" is missing; write bind ="},
        {BASE "admin = { bind = \"on\"; };\n", 3, "admin: bind: \"on\" has no port"},
        {BASE "admin = { socket = \"admin.sock\"; };\n", 3,
         "admin: socket: a Unix socket's path must be absolute"},
        {POOL "listeners = ( { bind = \":80\"; },\n { bind = \"[::]:80\"; } );\n", 3,
         "bind: \"[::]:80\" is taken by \":80\""},
        {POOL "listeners = ( { bind = \"127.0.0.1:80\"; },\n { bind = \"127.0.0.1:80\"; } );\n", 3,
         "is taken by"},
        {POOL "listeners = ( { bind = \"unix:/a\"; },\n { bind = \"unix:/a\"; } );\n", 3,
         "is taken by"},
        {POOL "listeners = ( { bind = \"127.0.0.1:9900\"; } );\n", 2,
         "\"127.0.0.1:9900\" is taken by \"127.0.0.1:9900\" of admin"},
        {POOL "listeners = ( { bind = \"unix:/a\"; } );\nadmin = { socket = \"/a\"; };\n", 3,
         "\"unix:/a\" is taken by \"unix:/a\""},
        {LISTENER POOL "admin = { bind = \":8080\"; };\n", 3, "bind: \":8080\" is taken by"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, in_names_and_references_are_found)
{
    static const struct support_mistake table[] = {
        {ROUTE("pool = \"ap\";"), 3, "route \"r\": there is no pool \"ap\"; did you mean \"app\"?"},
        {LISTENER POOL
         "routes = ( { name = \"r\"; listener = \"listener-2\"; pool = \"app\"; } );\n",
         3, "route \"r\": there is no listener \"listener-2\"; did you mean \"listener-1\"?"},
        {LISTENER POOL "routes = ( { name = \"r\"; listener = \"inbound\"; pool = \"app\"; } );\n",
         3, "there is no listener \"inbound\"; write the name of one in listeners"},
        {ROUTE("pool = \"other-thing\";"), 3,
         "there is no pool \"other-thing\"; write the name of one in pools"},
        {ROUTE("pools = ( { pool = \"ap\"; } );"), 3, "pool \"ap\": there is no pool \"ap\""},
        {ROUTE("pools = ( { pool = \"app\"; },\n{ pool = \"app\"; } );"), 4,
         "pool \"app\" stands twice, first in line 3"},
        {ROUTE("pools = ( { weight = 1; } );"), 3, "\"pool\" is missing"},
        {ROUTE("pools = ( { pool = \"app\"; weight = 0; } );"), 3, "no pool with a weight"},
        {ROUTE("pools = ( );"), 3, "no pool with a weight"},
        {LISTENER
         "pools = ( { name = \"a\"; backends = ( { address = \"a:1\"; } ); },\n{ name = \"a\"; "
         "backends = ( { address = \"a:1\"; } ); } );\nroutes = ( { pool = \"a\"; } );\n",
         3, "pool \"a\" stands twice, first in line 2; write another name"},
        {BASE
         "routes = ( { name = \"a\"; pool = \"app\"; },\n{ name = \"a\"; pool = \"app\"; } );\n",
         4, "route \"a\" stands twice"},
        {POOL
         "listeners = ( { name = \"a\"; bind = \":1\"; },\n{ name = \"a\"; bind = \":2\"; } );\n",
         3, "listener \"a\" stands twice"},
        {LISTENER "pools = ( { name = \"p\"; backends = ( { id = \"x\"; address = \"a:1\"; },\n{ "
                  "id = \"x\"; address = \"b:1\"; } ); } );\n",
         3, "pool \"p\": backend id \"x\" stands twice, first in line 2"},
        {LISTENER
         "pools = ( { backends = ( { address = \"a:1\"; },\n{ address = \"a:1\"; } ); } );\n",
         3, "backend id \"a:1\" stands twice"},
        {POOL "listeners = ( { name = \"a b\"; bind = \":1\"; } );\n", 2,
         "name: \"a b\" cannot be a name"},
        {POOL "listeners = ( { name = \"\"; bind = \":1\"; } );\n", 2,
         "name: \"\" cannot be a name"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, in_routes_are_found)
{
    static const struct support_mistake table[] = {
        {ROUTE("path = \"/\";"), 3, "says not what to do; write one of pool = \"NAME\""},
        {ROUTE("pool = \"app\"; redirect = { to = \"/x\"; };"), 3, "has both pool and redirect"},
        {ROUTE("pool = \"app\"; pools = ( { pool = \"app\"; } );"), 3, "has both pool and pools"},
        {ROUTE("respond = { }; redirect = { to = \"/x\"; };"), 3, "has both redirect and respond"},
        {ROUTE("redirect = { };"), 3, "redirect: \"to\" is missing"},
        {ROUTE("redirect = { to = \"\"; };"), 3, "to is empty"},
        {ROUTE("redirect = { to = \"example.com\"; };"), 3, "\"example.com\" is no place to go"},
        {ROUTE("redirect = { to = \"https://a$path/x\"; };"), 3, "$path can only stand at the end"},
        {ROUTE("redirect = { to = \"$path\"; };"), 3, "back to where it was"},
        {ROUTE("redirect = { to = \"https://a/b c\"; };"), 3, "to has spaces"},
        {ROUTE("redirect = { to = \"https://a/\"; status = 304; };"), 3, "304 is no redirect"},
        {ROUTE("redirect = { to = \"https://a/\"; status = 200; };"), 3,
         "200 is no redirect; write 301, 302"},
        {ROUTE("respond = { status = 204; body = \"x\"; };"), 3,
         "an answer with status 204 has no body"},
        {ROUTE("respond = { content_type = \"\"; };"), 3, "content_type is empty"},
        {ROUTE("respond = { content_type = \"a\\nb\"; };"), 3,
         "header value has control characters"},
        {ROUTE("pool = \"app\"; path = \"v1\";"), 3, "path: \"v1\" cannot match"},
        {ROUTE("pool = \"app\"; path = \"/a?b\";"), 3, "path: \"/a?b\" cannot match"},
        {ROUTE("pool = \"app\"; path_match = \"exact\";"), 3, "path_match has nothing to match"},
        {ROUTE("pool = \"app\"; path_match = \"regex\"; path = \"(a\";"), 3,
         "regular expression \"(a\": "},
        {ROUTE("pool = \"app\"; path_match = \"regex\"; path = \"(a)\\\\1\";"), 3,
         "has a back-reference"},
        {ROUTE("pool = \"app\"; path_match = \"regex\"; path = \"(a{200}){200}\";"), 3,
         "repeats too much; write smaller numbers"},
        {ROUTE("pool = \"app\"; path_match = \"regex\"; path = \"a++++++++++++++++++++++++++++\";"),
         3, "repeats too much"},
        {ROUTE("pool = \"app\"; path_match = \"regex\"; path = \"((a{20}){20}){20}\";"), 3,
         "repeats too much"},
        {ROUTE("pool = \"app\"; path_match = \"regex\"; path = \"(((((((((((((((((((((((((((((((("
               "((((((((((((((((((((((((((((\";"),
         3, "has more than 50 groups"},
        {ROUTE("pool = \"app\"; host = \"http://a\";"), 3, "host: \"http://a\" is not a host"},
        {ROUTE("pool = \"app\"; host = \"a:80\";"), 3, "without scheme and port"},
        {ROUTE("pool = \"app\"; host = \"a.*.com\";"), 3, "is not a host"},
        {ROUTE("pool = \"app\"; methods = [ \"get\" ];"), 3,
         "\"get\" is not \"GET\", since methods are case-sensitive"},
        {ROUTE("pool = \"app\"; methods = [ \"G T\" ];"), 3, "\"G T\" is not a method"},
        {ROUTE("pool = \"app\"; methods = [ \"GET\", \"GET\" ];"), 3, "\"GET\" stands twice"},
        {ROUTE("pool = \"app\"; headers = ( { name = \"a b\"; } );"), 3,
         "\"a b\" is not a header name"},
        {ROUTE("pool = \"app\"; headers = ( { name = \"a\"; value = \"x\\r\\n\"; } );"), 3,
         "header value has control characters"},
        {ROUTE("pool = \"app\"; headers = ( { value = \"1\"; } );"), 3, "\"name\" is missing"},
        {ROUTE("pool = \"app\"; path = \"/a\"; path_match = \"exact\"; rewrite = { prefix = \"/\"; "
               "};"),
         3, "rewrite replaces a matched prefix; write path_match"},
        {ROUTE("pool = \"app\"; rewrite = { prefix = \"/\"; };"), 3,
         "write path = \"/...\" beside it"},
        {ROUTE("pool = \"app\"; path = \"/a\"; rewrite = { prefix = \"b\"; };"), 3,
         "prefix: \"b\" is not a path"},
        {ROUTE("pool = \"app\"; path = \"/a\"; rewrite = { };"), 3,
         "rewrite: \"prefix\" is missing"},
        {ROUTE("respond = { }; path = \"/a\"; rewrite = { prefix = \"/\"; };"), 3,
         "rewrite has no effect with respond"},
        {ROUTE("redirect = { to = \"/x\"; }; timeout = \"1s\";"), 3,
         "timeout has no effect with redirect"},
        {ROUTE("respond = { }; request_headers = { };"), 3,
         "request_headers has no effect with respond"},
        {ROUTE("pool = \"app\"; request_headers = { set = ( { name = \"Content-Length\"; value = "
               "\"1\"; } ); };"),
         3, "belongs to the connection"},
        {ROUTE("pool = \"app\"; response_headers = { remove = [ \"Transfer-Encoding\" ]; };"), 3,
         "response_headers: \"Transfer-Encoding\" belongs to the connection"},
        {ROUTE("pool = \"app\"; request_headers = { add = ( { name = \"Host\"; value = \"a\"; } ); "
               "};"),
         3, "write it in set instead of add"},
        {ROUTE("pool = \"app\"; request_headers = { remove = [ \"Host\" ]; };"), 3,
         "cannot be without Host"},
        {ROUTE("pool = \"app\"; request_headers = { set = ( { name = \"Host\"; value = \"a/b\"; } "
               "); };"),
         3, "\"a/b\" is not a host"},
        {ROUTE("pool = \"app\"; request_headers = { set = ( { name = \"A\"; }, { name = \"a\"; } "
               "); };"),
         3, "\"a\" is set twice"},
        {ROUTE("pool = \"app\"; request_headers = { set = ( { name = \"A\"; } ); remove = [ \"a\" "
               "]; };"),
         3, "both set and removed"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, in_the_whole_are_found)
{
    static const struct support_mistake table[] = {
        {POOL, 1, "\"listeners\" is missing; write listeners = ( { bind = \"0.0.0.0:8080\"; } )"},
        {POOL "listeners = ( );\n", 2, "listeners is empty; write ( { bind ="},
        {LISTENER, 1, "there is nothing to serve; write pools = ( {"},
        {LISTENER "pools = ( );\n", 2, "there is nothing to serve"},
        {LISTENER "pools = ( { name = \"a\"; backends = ( { address = \"a:1\"; } ); }, { name = "
                  "\"b\"; backends = ( { address = \"a:1\"; } ); } );\n",
         2, "several pools need routes; write routes = ( { path = \"/\"; pool = \"a\"; } )"},
        {IN_POOL("hash_key = \"header\";"), 3,
         "hash_key: \"header\" is not known; write \"ip\", \"uri\""},
        {IN_POOL("hash_key = \"header:a b\";"), 3, "hash_key: \"header:a b\" is not known"},
        {IN_POOL("hash_key = \"cookie:\";"), 3, "hash_key: \"cookie:\" is not known"},
        {IN_POOL("tls = { sni = \"a b\"; };"), 3, "tls: sni: \"a b\" is not a host name"},
        {IN_POOL("tls = { cert = \"/nowhere/a.pem\"; };"), 3, "needs both cert and key; write key"},
        {IN_POOL("tls = { ca = \"/nowhere/ca.pem\"; };"), 3,
         "cannot read \"/nowhere/ca.pem\": No such file"},
        {IN_LISTENER("tls = { };"), 3, "tls: \"certificates\" is missing"},
        {IN_LISTENER("tls = { certificates = ( ); };"), 3, "certificates is empty"},
        {BASE "admin = { token_file = \"/nowhere/token\"; };\n", 3,
         "token_file: cannot read \"/nowhere/token\": No such file"},
        {BASE "admin = { token_file = \"/dev/null\"; };\n", 3, "it is not a file"},
        {BASE "log = { access = \"stdot\"; };\n", 3, "\"stdot\" is not known; write \"stdout\""},
        {BASE "log = { access = \"/nowhere/access.log\"; };\n", 3,
         "the directory \"/nowhere\" is missing or cannot be written"},
        {BASE "log = { access = \"/tmp\"; };\n", 3, "\"/tmp\" is a directory"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, about_what_is_not_built_say_so)
{
    static const struct support_mistake table[] = {
        {BASE "tracing = { };\n", 3, "\"tracing\" is not built yet"},
        {BASE "state_file = \"/nowhere/x\";\n", 3,
         "state_file: the directory \"/nowhere\" is missing or cannot be written; make it, or "
         "write "
         "another path"},
        {BASE "state_file = \"/tmp\";\n", 3,
         "state_file: \"/tmp\" is not a file; write a file of evergate's own"},
        {BASE "state_file = \"/dev/null\";\n", 3,
         "state_file: \"/dev/null\" is not a file; write a file of evergate's own"},
        {IN_LISTENER("mode = \"tcp\";"), 3,
         "this value of \"mode\" is not built yet in this version; remove it, or write mode = "
         "\"http\""},
        {IN_LISTENER("pool = \"app\";"), 3, "\"pool\" is not built yet"},
        {ROUTE("pool = \"app\"; mirror = { };"), 3, "\"mirror\" is not built yet"},
        {ROUTE("pool = \"app\"; rate_limit = { };"), 3, "\"rate_limit\" is not built yet"},
        {ROUTE("pool = \"app\"; allow = [ ];"), 3, "\"allow\" is not built yet"},
        {ROUTE("pool = \"app\"; deny = [ ];"), 3, "\"deny\" is not built yet"},
        {IN_POOL("protocol = \"h2\";"), 3, "write protocol = \"http/1.1\""},
        {IN_POOL("health = { type = \"grpc\"; path = \"x\"; };"), 3,
         "health: type: \"grpc\" is not built yet in this version; remove it"},
        {BASE "admin = { dashboard = true; };\n", 3, "write dashboard = false"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(mistakes, are_all_reported_at_once_in_the_order_of_the_file)
{
    static const struct {
        unsigned line;
        const char *says;
    } expected[] = {
        {1, "workers: -1"},       {2, "unknown key \"drain\""},    {3, "port 99999"},
        {4, "\"5\" has no unit"}, {6, "\"type\" is missing"},      {7, "backend \"a\": port 70000"},
        {8, "weight: -1"},        {9, "there is no pool \"apo\""}, {10, "regular expression"},
        {11, "level: \"loud\""},
    };
    struct config_errors errors =
        support_refuse("workers = -1;\n"
                       "drain = \"5s\";\n"
                       "listeners = ( { bind = \":99999\";\n"
                       "  timeouts = { idle = \"5\"; }; } );\n"
                       "pools = ( { name = \"app\";\n"
                       "  discovery = { };\n"
                       "  backends = ( { id = \"a\"; address = \"a:70000\"; },\n"
                       "    { id = \"b\"; address = \"b:1\"; weight = -1; } ); } );\n"
                       "routes = ( { pool = \"apo\";\n"
                       "  path_match = \"regex\"; path = \"[\"; } );\n"
                       "log = { level = \"loud\"; };\n");
    char *printed = support_print(&errors);

    cr_assert_eq(errors.count, sizeof(expected) / sizeof(expected[0]), "%s", printed);
    for (size_t i = 0; i < errors.count; i++) {
        cr_expect_eq(errors.v[i].line, expected[i].line, "%s", printed);
        cr_expect_not_null(strstr(errors.v[i].message, expected[i].says), "%s\nnot in\n%s",
                           expected[i].says, printed);
    }
    free(printed);
    config_errors_free(&errors);
}

Test(mistakes, beyond_two_hundred_are_counted_only)
{
    char text[20000] = "";
    struct config_errors errors;
    size_t n = 0;

    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "unknown_thing_%d = 1;\n", i);
    errors = support_refuse(text);
    cr_assert_eq(errors.count, 201);
    cr_assert_not_null(strstr(errors.v[200].message, "more mistakes; correct the ones above"));
    config_errors_free(&errors);
}

Test(mistakes, never_print_control_characters)
{
    struct config_errors errors =
        support_refuse(POOL "listeners = ( { bind = \"\\x1b[31m:\\n\"; } );");

    cr_assert_null(strpbrk(errors.v[0].message, "\x1b\n"));
    config_errors_free(&errors);
}
