-- wrk's request: METHOD BODY_BYTES keep|close|spread, with the header fields a browser sends; the result as
-- one line of JSON.
local browser = {
  ["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) " ..
    "Chrome/126.0.0.0 Safari/537.36",
  ["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp," ..
    "image/apng,*/*;q=0.8",
  ["Accept-Language"] = "en-US,en;q=0.9,de;q=0.8",
  ["Accept-Encoding"] = "gzip, deflate, br, zstd",
  ["Cache-Control"] = "max-age=0",
  ["Cookie"] = "session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; consent=1; " ..
    "_ga=GA1.1.1234567890.1700000000",
  ["Referer"] = "https://www.example.com/products/list?page=2",
  ["Sec-Ch-Ua"] = "\"Not/A)Brand\";v=\"8\", \"Chromium\";v=\"126\"",
  ["Sec-Ch-Ua-Mobile"] = "?0",
  ["Sec-Ch-Ua-Platform"] = "\"Linux\"",
  ["Sec-Fetch-Dest"] = "document",
  ["Sec-Fetch-Mode"] = "navigate",
  ["Sec-Fetch-Site"] = "same-origin",
  ["Upgrade-Insecure-Requests"] = "1",
}

function init(args)
  wrk.method = args[1]
  for name, value in pairs(browser) do
    wrk.headers[name] = value
  end
  if tonumber(args[2]) > 0 then
    wrk.body = string.rep("x", tonumber(args[2]))
    wrk.headers["Content-Type"] = "application/octet-stream"
  end
  if args[3] == "close" then
    wrk.headers["Connection"] = "close"
  elseif args[3] == "spread" then
    local path, count = wrk.path, 0
    request = function()
      count = count + 1
      return wrk.format(nil, path .. "?" .. count)
    end
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%.1f,"p99_us":%.1f,"errors":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
