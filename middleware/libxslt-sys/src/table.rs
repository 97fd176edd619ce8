//! The table itself: the functions that the engine calls, with their C signatures.

use std::ffi::{c_char, c_int, c_long, c_void};

#[cfg(not(feature = "link"))]
use libloading::os::unix::Library;

use crate::callbacks::{
    CloseFunc, EntityLoader, FreeFunc, GenericErrorFunc, MallocFunc, ReallocFunc, SecurityCheck, StrdupFunc,
    StructuredErrorFunc, WriteFunc,
};
use crate::layout::{
    Attribute, Dictionary, Document, Dtd, EncodingHandler, HtmlElement, InputBuffer, Namespace, Node,
    OutputBuffer, ParserContext, ParserInput, SecurityPrefs, Stylesheet, TransformContext,
};

/// Declares [`Table`] and how it is filled: each library with the functions it gives.
macro_rules! table {
    ($($library:ident { $(fn $name:ident($($arg:ty),* $(,)?) $(-> $ret:ty)?;)* })*) => {
        /// The functions of the three libraries, named as in C. All of them are there, or [`load`](crate::load) fails.
        #[expect(non_snake_case, reason = "the names are C's, so that they can be looked up in its documentation")]
        #[derive(Debug)]
        pub struct Table {
            /// False when libxml2 was in the process before us: others may hold memory of its allocator.
            pub first: bool,
            /// libxml2's version, as a number (20914 is 2.9.14)
            pub version: u32,
            $($(
                #[doc = concat!("`", stringify!($name), "`")]
                pub $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,
            )*)*
        }

        impl Table {
            /// Looks every function up.
            #[cfg(not(feature = "link"))]
            pub(crate) fn new(
                first: bool,
                version: u32,
                $($library: &Library),*
            ) -> Result<Self, libloading::Error> {
                Ok(Self {
                    first,
                    version,
                    $($($name: {
                        // SAFETY: the signature is that of the library's public header; `load` refuses versions
                        // older than the headers these were read from.
                        *unsafe { $library.get(concat!(stringify!($name), "\0").as_bytes()) }?
                    },)*)*
                })
            }

            /// The functions that the linker has found.
            #[cfg(feature = "link")]
            pub(crate) fn linked(version: u32) -> Self {
                // Whether somebody else in the program uses libxml2 cannot be known.
                Self { first: false, version, $($($name: linked::$name,)*)* }
            }
        }

        #[cfg(feature = "link")]
        mod linked {
            use super::*;

            unsafe extern "C" {
                $($(pub(super) fn $name($(_: $arg),*) $(-> $ret)?;)*)*
            }
        }
    };
}

table! {
    xml {
        fn xmlMemSetup(FreeFunc, MallocFunc, ReallocFunc, StrdupFunc) -> c_int;
        fn xmlInitParser();
        fn xmlGetExternalEntityLoader() -> Option<EntityLoader>;
        fn xmlSetExternalEntityLoader(EntityLoader);
        fn xmlSetStructuredErrorFunc(*mut c_void, Option<StructuredErrorFunc>);
        fn xmlSetGenericErrorFunc(*mut c_void, Option<GenericErrorFunc>);
        fn xmlResetLastError();
        fn xmlNewInputFromFile(*mut ParserContext, *const c_char) -> *mut ParserInput;
        fn xmlParserInputBufferCreateMem(*const c_char, c_int, c_int) -> *mut InputBuffer;
        fn xmlNewIOInputStream(*mut ParserContext, *mut InputBuffer, c_int) -> *mut ParserInput;
        fn xmlStrdup(*const c_char) -> *mut c_char;
        fn xmlNewParserCtxt() -> *mut ParserContext;
        fn xmlFreeParserCtxt(*mut ParserContext);
        fn xmlCtxtReadMemory(
            *mut ParserContext, *const c_char, c_int, *const c_char, *const c_char, c_int,
        ) -> *mut Document;
        fn htmlNewParserCtxt() -> *mut ParserContext;
        fn htmlFreeParserCtxt(*mut ParserContext);
        fn htmlCtxtReadMemory(
            *mut ParserContext, *const c_char, c_int, *const c_char, *const c_char, c_int,
        ) -> *mut Document;
        fn xmlFreeDoc(*mut Document);
        fn xmlGetLineNo(*const Node) -> c_long;
        fn xmlDocGetRootElement(*const Document) -> *mut Node;
        fn xmlGetIntSubset(*const Document) -> *mut Dtd;
        fn xmlSearchNs(*mut Document, *mut Node, *const c_char) -> *mut Namespace;
        fn xmlSearchNsByHref(*mut Document, *mut Node, *const c_char) -> *mut Namespace;
        fn htmlTagLookup(*const c_char) -> *const HtmlElement;
        fn htmlSetMetaEncoding(*mut Document, *const c_char) -> c_int;
        fn htmlNewDocNoDtD(*const c_char, *const c_char) -> *mut Document;
        fn xmlDictCreate() -> *mut Dictionary;
        fn xmlNewDocNode(*mut Document, *mut Namespace, *const c_char, *const c_char) -> *mut Node;
        fn xmlNewDocTextLen(*mut Document, *const c_char, c_int) -> *mut Node;
        fn xmlNewDocComment(*mut Document, *const c_char) -> *mut Node;
        fn xmlNewNs(*mut Node, *const c_char, *const c_char) -> *mut Namespace;
        fn xmlNewNsProp(*mut Node, *mut Namespace, *const c_char, *const c_char) -> *mut Attribute;
        fn xmlAddChild(*mut Node, *mut Node) -> *mut Node;
        fn xmlFindCharEncodingHandler(*const c_char) -> *mut EncodingHandler;
        fn xmlOutputBufferCreateIO(WriteFunc, CloseFunc, *mut c_void, *mut EncodingHandler) -> *mut OutputBuffer;
        fn xmlOutputBufferClose(*mut OutputBuffer) -> c_int;
    }
    xslt {
        fn xsltInit();
        fn xsltSetGenericErrorFunc(*mut c_void, GenericErrorFunc);
        fn xsltNewStylesheet() -> *mut Stylesheet;
        fn xsltRegisterExtPrefix(*mut Stylesheet, *const c_char, *const c_char) -> c_int;
        fn xsltParseStylesheetDoc(*mut Document) -> *mut Stylesheet;
        fn xsltFreeStylesheet(*mut Stylesheet);
        fn xsltNextImport(*mut Stylesheet) -> *mut Stylesheet;
        fn xsltNewTransformContext(*mut Stylesheet, *mut Document) -> *mut TransformContext;
        fn xsltFreeTransformContext(*mut TransformContext);
        fn xsltSetTransformErrorFunc(*mut TransformContext, *mut c_void, GenericErrorFunc);
        fn xsltQuoteUserParams(*mut TransformContext, *const *const c_char) -> c_int;
        fn xsltApplyStylesheetUser(
            *mut Stylesheet, *mut Document, *const *const c_char, *const c_char, *mut c_void, *mut TransformContext,
        ) -> *mut Document;
        fn xsltSaveResultTo(*mut OutputBuffer, *mut Document, *mut Stylesheet) -> c_int;
        fn xsltNewSecurityPrefs() -> *mut SecurityPrefs;
        fn xsltFreeSecurityPrefs(*mut SecurityPrefs);
        fn xsltSetSecurityPrefs(*mut SecurityPrefs, c_int, SecurityCheck) -> c_int;
        fn xsltSetCtxtSecurityPrefs(*mut SecurityPrefs, *mut TransformContext) -> c_int;
    }
    exslt {
        fn exsltCommonRegister();
        fn exsltMathRegister();
        fn exsltSetsRegister();
        fn exsltFuncRegister();
        fn exsltStrRegister();
        fn exsltDateRegister();
        fn exsltSaxonRegister();
        fn exsltDynRegister();
    }
}
