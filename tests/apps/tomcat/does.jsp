<%@ page trimDirectiveWhitespaces="true" session="false" import="java.io.*, java.util.*, java.util.zip.CRC32" %><%!
  static void variables(jakarta.servlet.http.HttpServletRequest request, Writer out) throws IOException {
    String[][] told = {
      {"method", request.getMethod()}, {"uri", request.getRequestURI()}, {"query", request.getQueryString()},
      {"context", request.getContextPath()}, {"path", request.getPathInfo()}, {"protocol", request.getProtocol()},
      {"remote", request.getRemoteAddr()}, {"port", "" + request.getRemotePort()}, {"user", request.getRemoteUser()},
      {"auth", request.getAuthType()}, {"scheme", request.getScheme()}, {"secure", "" + request.isSecure()},
      {"server", request.getServerName() + ":" + request.getServerPort()}, {"length", "" + request.getContentLengthLong()},
      {"deploy", "" + request.getAttribute("DEPLOY")}};
    for (String[] pair : told) out.write(pair[0] + "=" + pair[1] + "\n");
    for (String name : Collections.list(request.getHeaderNames()))
      for (String value : Collections.list(request.getHeaders(name))) out.write(name.toLowerCase() + ": " + value + "\n");
  }
%><%
  response.setContentType("text/plain");
  switch (String.valueOf(request.getPathInfo())) {
    case "/teapot":
      response.setStatus(418);
      response.addHeader("Set-Cookie", "a=1");
      response.addHeader("Set-Cookie", "b=2");
      out.write("teas");
      break;
    case "/read":
      CRC32 sum = new CRC32();
      byte[] block = new byte[50000];
      long length = 0;
      InputStream in = request.getInputStream();
      for (int count; (count = in.read(block)) >= 0; length += count) sum.update(block, 0, count);
      out.write(length + " " + sum.getValue());
      break;
    case "/unread":
      out.write("unread");
      break;
    case "/large":
      for (int number = 0; number < 1000000; number++) out.write(String.format("%09d\n", number));
      break;
    case "/told":
      response.setContentLength(1000000);
      for (int number = 0; number < 100000; number++) out.write(String.format("%09d\n", number));
      break;
    case "/raises":
      throw new IllegalStateException("raised");
    case "/raises-within":
      out.write("beginning");
      response.flushBuffer();
      throw new IllegalStateException("raised");
    case "/nothing":
      response.setStatus(204);
      break;
    default:
      variables(request, out);
  }
%>
