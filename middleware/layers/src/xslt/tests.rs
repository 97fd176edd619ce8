use crate::testing::{answer, around, get, mistakes, request, text, whole};
use crate::{Body, BoxService, Response};

const XML: (&str, &str) = ("content-type", "application/xml");

/// The layer around an application that answers this document, or `document` fails the test.
fn pages(settings: &str, document: &'static str) -> BoxService {
    around(&format!("xslt: {settings}"), move |_| async move { answer(&[XML], document) })
}

async fn status(settings: &str, document: &'static str) -> u16 {
    pages(settings, document).answer(get("/")).await.status().as_u16()
}

#[tokio::test]
async fn an_answer_is_transformed_with_parameters_of_the_request() {
    let service = pages("{ stylesheet: theme.xsl, params: { path: \"{PATH_INFO}\" } }", "<page>hello</page>");
    let answer = service.answer(get("/it's%20\"here\"")).await;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(text(answer.into_body()).await, "<h1>/it's \"here\": hello</h1>\n");
}

#[tokio::test]
async fn what_a_client_sends_is_a_string_to_the_sheet() {
    let service = pages("{ stylesheet: theme.xsl, params: { path: \"{PATH_INFO}\" } }", "<page>hello</page>");
    let sent = service.answer(get("/%01'%22%7BHOST%7D%3Cb%3E")).await;
    // What HTML cannot hold is left out of it.
    assert_eq!(text(sent.into_body()).await, "<h1>/'\"{HOST}&lt;b&gt;: hello</h1>\n");
}

#[tokio::test]
async fn sheets_of_a_list_are_applied_in_its_order() {
    let service = pages("{ stylesheet: [wrap.xsl, theme.xsl] }", "<x>inside</x>");
    assert_eq!(text(service.answer(get("/")).await.into_body()).await, "<h1>nowhere: wrapped inside</h1>\n");
}

#[tokio::test]
async fn the_body_of_a_request_is_transformed_before_it_goes_inside() {
    let service = around("xslt: { on: request, stylesheet: wrap.xsl }", async |request| {
        let length = request.headers()["content-length"].to_str().unwrap().parse::<usize>().unwrap();
        let body = whole(request.into_body()).await.unwrap();
        assert_eq!(body.len(), length);
        Response::new(Body::from(String::from_utf8(body).unwrap()))
    });
    let answer = service.answer(request("POST /", &[XML], "<x>sent</x>")).await;
    assert!(text(answer.into_body()).await.ends_with("<page>wrapped sent</page>\n"));
}

#[tokio::test]
async fn a_request_that_does_not_parse_gets_400_and_an_answer_502() {
    let service = around("xslt: { on: request, stylesheet: wrap.xsl }", async |_| panic!("it is not asked"));
    let answer = service.answer(request("POST /", &[XML], "<x>")).await;
    assert_eq!(answer.status(), 400);
    assert!(text(answer.into_body()).await.contains("V-BAD-REQUEST"));
    assert_eq!(status("{ stylesheet: wrap.xsl }", "<x>").await, 502);
}

#[tokio::test]
async fn what_goes_over_a_limit_gets_the_answer_of_its_cause() {
    let service = around("xslt: { on: request, stylesheet: wrap.xsl, max_input: 3 }", async |_| {
        panic!("it is not asked")
    });
    assert_eq!(service.answer(request("POST /", &[XML], "<long/>")).await.status(), 413);
    assert_eq!(status("{ stylesheet: wrap.xsl, max_input: 3 }", "<long/>").await, 502);
    assert_eq!(status("{ stylesheet: wrap.xsl, max_output: 3 }", "<x/>").await, 500);
    assert_eq!(status("{ stylesheet: endless.xsl, max_operations: 10 }", "<x><y/><z/></x>").await, 500);
}

#[tokio::test]
async fn other_media_types_and_encoded_bodies_are_told_apart() {
    let service = around("xslt: { stylesheet: theme.xsl }", async |_| {
        answer(&[("content-type", "image/png")], "<page/>")
    });
    assert_eq!(text(service.answer(get("/")).await.into_body()).await, "<page/>");
    let service = around("xslt: { stylesheet: theme.xsl }", async |_| {
        answer(&[XML, ("content-encoding", "br")], "<page/>")
    });
    assert_eq!(service.answer(get("/")).await.status(), 502);
}

#[test]
fn a_sheet_that_does_not_compile_is_told_with_its_own_place_at_the_setting() {
    let text = mistakes("xslt: { stylesheet: [theme.xsl, broken.xsl] }");
    assert!(text.contains("test.yaml:1:33"), "{text}");
    assert!(text.contains("broken.xsl:4:"), "{text}");
    assert!(mistakes("xslt: { stylesheet: missing.xsl }").contains("missing.xsl"));
    assert!(mistakes("xslt: {}").contains("`stylesheet` is missing"));
}

#[test]
fn a_mistake_names_the_files_that_may_mend_it_if_they_are_watched() {
    let names = |settings: &str| -> Vec<String> {
        let mistakes = crate::testing::build(&format!("xslt: {settings}")).err().expect("no sheet compiles");
        let name =
            |(path, _): &vestibule_config::Seen| path.file_name().unwrap().to_string_lossy().into_owned();
        mistakes.files().map(name).collect()
    };
    assert_eq!(names("{ stylesheet: broken.xsl }"), [""; 0]);
    assert_eq!(names("{ stylesheet: [wrap.xsl, broken.xsl], watch: true }"), ["wrap.xsl", "broken.xsl"]);
    let fallback = "{ stylesheet: wrap.xsl, on_error: { fallback: nowhere/no.xsl }, watch: true }";
    assert_eq!(names(fallback), ["no.xsl"]);
}

#[test]
fn unknown_words_are_told_with_those_that_are_known() {
    let text =
        mistakes("xslt: { stylesheet: theme.xsl, on: answer, input: html4, output: pdf, max_inptu: 1 }");
    for part in [
        "`on` cannot be `answer`",
        "`input` cannot be `html4`",
        "`output` cannot be `pdf`",
        "did you mean `max_input`",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn a_failure_is_told_to_the_author_of_a_theme_and_to_nobody_else() {
    for (debug, is_shown) in [(true, true), (false, false)] {
        let service = pages(&format!("{{ stylesheet: theme.xsl, debug: {debug} }}"), "<page><br></page>");
        let answer = service.answer(get("/")).await;
        assert_eq!(answer.status(), 502);
        let is_html = answer.headers()["content-type"] == "text/html; charset=utf-8";
        let text = text(answer.into_body()).await;
        assert_eq!((is_html, text.contains("&lt;page&gt;&lt;br&gt;")), (is_shown, is_shown), "{text}");
    }
}

#[tokio::test]
async fn something_may_stand_in_for_what_cannot_be_made() {
    let settings = |on_error| format!("{{ stylesheet: ending.xsl, on_error: {on_error} }}");
    let document = "<page><y/><z/>hello</page>";
    assert_eq!(status(&settings("fail"), document).await, 500);
    let answer = pages(&settings("pass"), document).answer(get("/")).await;
    assert_eq!((answer.status().as_u16(), text(answer.into_body()).await.as_str()), (200, document));
    let answer = pages(&settings("{ fallback: plain.xsl }"), document).answer(get("/")).await;
    assert_eq!((answer.status().as_u16(), text(answer.into_body()).await.as_str()), (200, "<p>hello</p>\n"));
}

#[test]
fn a_stand_in_is_checked_when_it_is_built() {
    let text = mistakes("xslt: { stylesheet: theme.xsl, on_error: ignore }");
    assert!(text.contains("`on_error` cannot be `ignore`") && text.contains("fallback: sheet.xsl"), "{text}");
    let text = mistakes("xslt: { stylesheet: theme.xsl, on_error: { fallback: broken.xsl } }");
    assert!(text.contains("broken.xsl:4:"), "{text}");
}

/// The answer to a page of HTML, with a tag.
async fn themed(settings: &str, content_type: &'static str, html: &'static str) -> Response {
    let headers = [("content-type", content_type), ("etag", "\"1\"")];
    let service = around(&format!("xslt: {settings}"), move |_| async move { answer(&headers, html) });
    service.answer(get("/")).await
}

#[tokio::test]
async fn html_is_read_and_written_as_browsers_do() {
    let html = "<title>x</title><p>a<b>b<p>c<br>";
    let settings = "{ stylesheet: copy.xsl, input: html5, output: html5 }";
    let answer = themed(settings, "text/html", html).await;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(
        text(answer.into_body()).await,
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>x</title></head><body><p>a<b>b</b></p><p><b>c<br></b></p></body></html>"
    );
    let answer = themed(settings, "text/xml", "<a>").await;
    assert_eq!(text(answer.into_body()).await, "<a>", "it is not HTML");
}

#[tokio::test]
async fn results_that_are_read_or_written_otherwise_have_other_tags() {
    let mut tags = Vec::new();
    for how in ["input: html", "input: html5", "input: html, output: html5", "input: html5, output: html5"] {
        let answer = themed(&format!("{{ stylesheet: copy.xsl, {how} }}"), "text/html", "<p>x").await;
        let tag = answer.headers()["etag"].clone();
        assert!(!tags.contains(&tag), "{how}");
        tags.push(tag);
    }
}

#[tokio::test]
async fn the_charset_of_html_is_what_the_content_type_says_or_the_page() {
    for input in ["html", "html5"] {
        let settings = format!("{{ stylesheet: copy.xsl, input: {input}, output: html5 }}");
        let html = "<title>Ã©</title><meta charset=iso-8859-1>";
        let page = text(themed(&settings, "text/html", html).await.into_body()).await;
        assert!(page.contains("<title>ÃƒÂ©</title>"), "{page}");
        let page = text(themed(&settings, "text/html; charset=utf-8", html).await.into_body()).await;
        assert!(page.contains("<title>Ã©</title>"), "{page}");
        assert_eq!(page.matches("charset").count(), 1, "{page}");
        let page = text(themed(&settings, "text/html", "<title>é</title>").await.into_body()).await;
        assert!(page.contains("<title>é</title>"), "{page}");
    }
}

#[tokio::test]
async fn a_page_that_is_nested_without_end_is_its_senders_fault() {
    let html = Box::leak("<div>".repeat(1_000).into_boxed_str());
    let settings = |input| format!("{{ stylesheet: copy.xsl, input: {input} }}");
    for input in ["html", "html5"] {
        assert_eq!(themed(&settings(input), "text/html", html).await.status(), 502, "{input}");
    }
}
